/* Makes keys and signs tokens, independently of the bridge: Node's own crypto.
 *
 *     const key = makeKey("ES256");              // { alg, sign, pem, jwk, file(dir), option }
 *     const token = key.token({ rooms: ["*"] }); // exp is an hour away unless given
 */
import { createHmac, generateKeyPairSync, randomBytes, sign as signBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "./harness.mjs";

export const base64url = (value) => Buffer.from(typeof value === "object" && !Buffer.isBuffer(value) ? JSON.stringify(value) : value).toString("base64url");

export const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

const PAIRS = {
    RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    EdDSA: () => generateKeyPairSync("ed25519"),
};

function signer(alg, key) {
    switch (alg) {
    case "HS256": return (bytes) => createHmac("sha256", key).update(bytes).digest();
    case "RS256": return (bytes) => signBytes("sha256", bytes, key);
    case "ES256": return (bytes) => signBytes("sha256", bytes, { key, dsaEncoding: "ieee-p1363" });
    case "EdDSA": return (bytes) => signBytes(null, bytes, key);
    default: throw new Error(alg);
    }
}

/* Any header, any payload (objects or raw text), signed by `sign`. */
export function compact(header, payload, sign) {
    const signed = `${base64url(header)}.${base64url(payload)}`;
    return `${signed}.${base64url(sign(Buffer.from(signed)))}`;
}

export function makeKey(alg, { kid, dir = tempDir("key") } = {}) {
    const secret = alg === "HS256" ? randomBytes(32).toString("hex") : null;
    const pair = secret ? null : PAIRS[alg]();
    const sign = signer(alg, secret ?? pair.privateKey);
    const pem = secret ? `${secret}\n` : pair.publicKey.export({ type: "spki", format: "pem" });
    const file = join(dir, `${alg}${kid ? `-${kid}` : ""}.key`);
    writeFileSync(file, pem, { mode: 0o600 });
    return {
        alg, kid, sign, pem, file, secret,
        privatePem: pair?.privateKey.export({ type: "pkcs8", format: "pem" }),
        jwk: pair?.publicKey.export({ format: "jwk" }),
        option: `${alg}${kid ? `@${kid}` : ""}:${file}`,
        token: (claims = {}, header = {}) =>
            compact({ alg, typ: "JWT", ...(kid ? { kid } : {}), ...header }, { exp: inSeconds(3600), ...claims }, sign),
    };
}
