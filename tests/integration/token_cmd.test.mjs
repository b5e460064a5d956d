/* `sigbridge token`: tokens that the bridge takes and that Node's crypto agrees with; key files that
 * cannot sign; and the secret that it makes. */
import assert from "node:assert/strict";
import { createHmac, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run, tempDir } from "./harness.mjs";

const bin = process.env.SIGBRIDGE_BIN;
const dir = tempDir("token");
const file = (name) => join(dir, name);
const sigbridge = (args, options) => run(bin, ["token", ...args], { cwd: dir, ...options });
const part = (token, index) => JSON.parse(Buffer.from(token.trim().split(".")[index], "base64url"));

const pairs = {
    RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
    EdDSA: generateKeyPairSync("ed25519"),
    weak: generateKeyPairSync("rsa", { modulusLength: 1024 }),
};
for (const [name, { privateKey, publicKey }] of Object.entries(pairs)) {
    writeFileSync(file(`${name}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }));
    writeFileSync(file(`${name}.pub`), publicKey.export({ type: "spki", format: "pem" }));
}
writeFileSync(file("encrypted.pem"), pairs.RS256.privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-128-cbc", passphrase: "x" }));
writeFileSync(file("ES256.jwk"), JSON.stringify(pairs.ES256.privateKey.export({ format: "jwk" })));
const secret = "0123456789abcdef0123456789abcdef";
writeFileSync(file("secret"), `${secret}\n`);
writeFileSync(file("short"), "secret\n");
writeFileSync(file("large"), Buffer.alloc(256 * 1024 + 1, "x"));

/* Does the signature fit, by another implementation? */
function signatureFits(token, alg) {
    const [header, payload, signature] = token.trim().split(".");
    const text = Buffer.from(`${header}.${payload}`);
    const bytes = Buffer.from(signature, "base64url");
    if (alg === "HS256")
        return createHmac("sha256", secret).update(text).digest().equals(bytes);
    const key = createPublicKey(pairs[alg].publicKey.export({ type: "spki", format: "pem" }));
    return verify(alg === "EdDSA" ? null : "sha256", text, alg === "ES256" ? { key, dsaEncoding: "ieee-p1363" } : key, bytes);
}

const signers = [
    { alg: "HS256", key: "HS256:secret" },
    { alg: "HS256", key: "HS256@2026-11:secret", kid: "2026-11" },
    { alg: "RS256", key: "RS256:RS256.pem" },
    { alg: "ES256", key: "ES256@e1:ES256.pem", kid: "e1" },
    { alg: "ES256", key: "ES256:ES256.jwk" },
    { alg: "EdDSA", key: "EdDSA:EdDSA.pem" },
];

for (const { alg, key, kid } of signers)
    test(`token: signed with ${key}`, async () => {
        const { code, stdout, stderr } = await sigbridge(["--key", key, "--room", "lobby"]);
        assert.equal(stderr, "");
        assert.equal(code, 0);
        assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
        assert.deepEqual(part(stdout, 0), { alg, typ: "JWT", ...(kid && { kid }) });
        assert.ok(signatureFits(stdout, alg));
    });

const claims = [
    { name: "a room", args: ["--room", "lobby"], wanted: { rooms: ["lobby"] } },
    { name: "rooms", args: ["-r", "a", "-r", "yard-*", "--room=*"], wanted: { rooms: ["a", "yard-*", "*"] } },
    { name: "a peer", args: ["-r", "a", "--peer", "ann"], wanted: { rooms: ["a"], sub: "ann" } },
    { name: "words", args: ["-r", "a", "--can", "message", "--can", "offer"], wanted: { rooms: ["a"], can: ["offer", "message"] } },
    { name: "an administrator without a room", args: ["--can", "admin"], wanted: { rooms: [], can: ["admin"] } },
    { name: "a description", args: ["-r", "a", "--meta", '{ "name": "Ann \\"A\\"" }'], wanted: { rooms: ["a"], meta: { name: 'Ann "A"' } } },
    { name: "issuer and audience", args: ["-r", "a", "--issuer", 'https://id/"x"', "--audience", "fleet"], wanted: { rooms: ["a"], iss: 'https://id/"x"', aud: "fleet" } },
    { name: "a short life", args: ["-r", "a", "--ttl", "1"], ttl: 1, wanted: { rooms: ["a"] } },
    { name: "the longest life", args: ["-r", "a", "-t", "31622400"], ttl: 31622400, wanted: { rooms: ["a"] } },
];

for (const { name, args, wanted, ttl = 3600 } of claims)
    test(`token: claims: ${name}`, async () => {
        const before = Math.floor(Date.now() / 1000);
        const { code, stdout, stderr } = await sigbridge(["--key", "HS256:secret", ...args]);
        const after = Math.floor(Date.now() / 1000);
        assert.equal(stderr, "");
        assert.equal(code, 0);
        const { iat, exp, ...rest } = part(stdout, 1);
        assert.deepEqual(rest, wanted);
        assert.ok(iat >= before && iat <= after);
        assert.equal(exp - iat, ttl);
        assert.ok(signatureFits(stdout, "HS256"));
    });

const mistakes = [
    { name: "no key", args: ["--room", "a"], code: 2, stderr: "sigbridge: what signs the token? Add --key ALG:FILE, or -c FILE for the bridge's configuration\n" },
    { name: "no room", args: ["--key", "HS256:secret"], code: 2, stderr: /a token without a room opens nothing: add --room ROOM, or --can admin/ },
    { name: "alg none", args: ["--key", "none:secret", "-r", "a"], code: 2, stderr: /^sigbridge: --key: "none:secret" does not begin with an algorithm that is known here: write ALG:FILE/ },
    { name: "a secret as an argument", args: ["--key", "HS256", "-r", "a"], code: 2, stderr: /^sigbridge: --key: "HS256" names no file/ },
    { name: "no such file", args: ["--key", "HS256:nowhere", "-r", "a"], code: 1, stderr: 'sigbridge: "nowhere": cannot be read: No such file or directory\n' },
    { name: "a directory", args: ["--key", "HS256:.", "-r", "a"], code: 1, stderr: 'sigbridge: ".": cannot be read: Is a directory\n' },
    { name: "a file that is too large", args: ["--key", "HS256:large", "-r", "a"], code: 1, stderr: 'sigbridge: "large": cannot be read: it is larger than 256 KiB\n' },
    { name: "a short secret", args: ["--key", "HS256:short", "-r", "a"], code: 1, stderr: /^sigbridge: "short": an HS256 secret must have at least 32 bytes \(RFC 7518\), this one has 6: make one with `sigbridge token --new-key FILE`\n$/ },
    { name: "a PEM file as a secret", args: ["--key", "HS256:RS256.pub", "-r", "a"], code: 1, stderr: /^sigbridge: "RS256.pub": an HS256 key must be a secret, but this is a PEM or DER file/ },
    { name: "a public key", args: ["--key", "RS256:RS256.pub", "-r", "a"], code: 1, stderr: /^sigbridge: "RS256.pub": signing needs the private key/ },
    { name: "an encrypted key: nobody is asked", args: ["--key", "RS256:encrypted.pem", "-r", "a"], code: 1, stderr: /^sigbridge: "encrypted.pem": the key is encrypted/ },
    { name: "a weak key", args: ["--key", "RS256:weak.pem", "-r", "a"], code: 1, stderr: /must have 2048 to 8192 bits, this one has 1024\n$/ },
    { name: "a key of another kind", args: ["--key", "ES256:EdDSA.pem", "-r", "a"], code: 1, stderr: /ES256 needs an EC \(P-256\) key/ },
    { name: "ttl 0", args: ["--key", "HS256:secret", "-r", "a", "--ttl", "0"], code: 2, stderr: 'sigbridge: --ttl: "0" is no number of seconds from 1 to 31622400\n' },
    { name: "ttl too long", args: ["--key", "HS256:secret", "-r", "a", "--ttl", "31622401"], code: 2, stderr: /^sigbridge: --ttl: "31622401" is no number/ },
    { name: "ttl with a unit", args: ["--key", "HS256:secret", "-r", "a", "--ttl", "1h"], code: 2, stderr: /^sigbridge: --ttl: "1h" is no number/ },
    { name: "a bad room", args: ["--key", "HS256:secret", "-r", "a/b"], code: 2, stderr: /^sigbridge: --room: "a\/b" is no room's name/ },
    { name: "a bad peer", args: ["--key", "HS256:secret", "-r", "a", "-p", "_bridge"], code: 2, stderr: /^sigbridge: --peer: "_bridge" is no name/ },
    { name: "an unknown word", args: ["--key", "HS256:secret", "-r", "a", "--can", "fly"], code: 2, stderr: 'sigbridge: --can: "fly" is not known here: write offer, message or admin\n' },
    { name: "meta that is no object", args: ["--key", "HS256:secret", "-r", "a", "--meta", "[1]"], code: 2, stderr: /^sigbridge: --meta: is no JSON object: / },
    { name: "meta that is too long", args: ["--key", "HS256:secret", "-r", "a", "--meta", `{"x":"${"x".repeat(4089)}"}`], code: 2, stderr: "sigbridge: --meta: is longer than 4096 bytes\n" },
    { name: "an issuer with a line end", args: ["--key", "HS256:secret", "-r", "a", "--issuer", "a\nb"], code: 2, stderr: /^sigbridge: --issuer: "a\\x0ab" is not plain text/ },
    { name: "65 rooms", args: ["--key", "HS256:secret", ...Array.from({ length: 65 }, (_, i) => `--room=r${i}`)], code: 2, stderr: "sigbridge: --room: there are more than 64: a token holds no more\n" },
    { name: "unknown option", args: ["--kye=x"], code: 2, stderr: /^sigbridge: unknown option "kye": did you mean --key\?/ },
    { name: "new key and more", args: ["--new-key", "n", "--room", "a"], code: 2, stderr: "sigbridge: --new-key: stands alone: make the secret first, then the token\n" },
    { name: "new key where one is", args: ["--new-key", "secret"], code: 1, stderr: /^sigbridge: "secret" cannot be written: it is there already/ },
    { name: "new key nowhere", args: ["--new-key", "nowhere/n"], code: 1, stderr: 'sigbridge: "nowhere/n" cannot be written: No such file or directory\n' },
    { name: "a configuration that is not there", args: ["-c", "/nowhere/x.conf", "-r", "a"], code: 2, stderr: "sigbridge: /nowhere/x.conf: cannot be read: No such file or directory\n" },
];

for (const { name, args, code, stderr } of mistakes)
    test(`token: ${name}`, async () => {
        const result = await sigbridge(args);
        if (stderr instanceof RegExp)
            assert.match(result.stderr, stderr);
        else
            assert.equal(result.stderr, stderr);
        assert.equal(result.stdout, "");
        assert.equal(result.code, code);
        assert.ok(!result.stderr.includes(secret));
        assert.equal(result.stderr.split("\n").length, 2, "one line");
    });

test("token: the help", async () => {
    for (const args of [["token", "--help"], ["help", "token"]]) {
        const { code, stdout } = await run(bin, args);
        assert.equal(code, 0);
        assert.match(stdout, /^sigbridge token: [^]*--new-key FILE[^]*-h, --help/);
    }
});

test("token: a new secret is random, private, and never overwrites or follows", async () => {
    const made = [];
    for (const name of ["new1", "new2"]) {
        const { code, stdout, stderr } = await sigbridge(["--new-key", name]);
        assert.deepEqual([code, stdout, stderr], [0, "", ""]);
        assert.equal(statSync(file(name)).mode & 0o777, 0o600);
        made.push(readFileSync(file(name), "utf8"));
        assert.match(made.at(-1), /^[\w-]{43}\n$/);
    }
    assert.notEqual(made[0], made[1]);
    symlinkSync(file("target"), file("link"));
    assert.equal((await sigbridge(["--new-key", "link"])).code, 1);
    assert.ok(!existsSync(file("target")));
    const { stdout } = await sigbridge(["--key", "HS256:new1", "-r", "a"]);
    const [header, payload, signature] = stdout.trim().split(".");
    assert.equal(createHmac("sha256", made[0].trim()).update(`${header}.${payload}`).digest("base64url"), signature);
});

test("token: key, issuer and audience of the bridge's configuration", async () => {
    /* The first key is a public one: the bridge verifies with it, but only the second can sign. */
    writeFileSync(file("x.conf"), 'jwt_key = ["RS256@r:RS256.pub", "HS256@h:secret"];\njwt: { issuer = "me"; audience = "fleet"; };\n');
    chmodSync(file("secret"), 0o600);
    const own = await sigbridge(["-c", "x.conf", "-r", "a"]);
    assert.deepEqual([own.code, own.stderr], [0, ""]);
    assert.deepEqual(part(own.stdout, 0), { alg: "HS256", typ: "JWT", kid: "h" });
    assert.equal(part(own.stdout, 1).iss, "me");
    assert.equal(part(own.stdout, 1).aud, "fleet");
    assert.ok(signatureFits(own.stdout, "HS256"));

    const other = await sigbridge(["-c", "x.conf", "-r", "a", "--key", "EdDSA:EdDSA.pem", "--issuer", "you"]);
    assert.equal(part(other.stdout, 0).alg, "EdDSA");
    assert.equal(part(other.stdout, 1).iss, "you");
    assert.equal(part(other.stdout, 1).aud, "fleet");

    const variable = await sigbridge(["-r", "a"], { env: { SIGBRIDGE_JWT_KEY: "ES256:ES256.pem" } });
    assert.deepEqual([variable.code, variable.stderr], [0, ""]);
    assert.ok(signatureFits(variable.stdout, "ES256"));

    writeFileSync(file("public.conf"), 'jwt_key = "RS256:RS256.pub";\n');
    const none = await sigbridge(["-c", "public.conf", "-r", "a"]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /RS256.pub": signing needs the private key/);

    writeFileSync(file("dev.conf"), "dev = true;\n");
    const dev = await sigbridge(["-c", "dev.conf", "-r", "a"]);
    assert.equal(dev.code, 2);
    assert.equal(dev.stderr, "sigbridge: the configuration has no jwt_key: add --key ALG:FILE\n");
});
