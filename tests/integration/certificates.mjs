/* Certificates for the bridge's own listeners, made with openssl.
 *
 *     const pair = await makePair({ kind: "rsa" });     // { cert, key, pem, fingerprint }
 *     bridge: ["--tls-cert", pair.cert, "--tls-key", pair.key]
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, tempDir } from "./harness.mjs";

const KINDS = {
    ec: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    rsa: ["-newkey", "rsa:2048"],
    weak: ["-newkey", "rsa:1024"],
};
const NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2,IP:::1";

export async function openssl(...args) {
    const { code, stderr } = await run("openssl", args);
    assert.equal(code, 0, stderr);
}

/* A self-signed certificate for this machine, and its key. `ended`: it was valid, in the year 2001. */
export async function makePair({ kind = "ec", dir = tempDir("tls"), name = "server", ended = false } = {}) {
    const cert = join(dir, `${name}.crt`);
    const key = join(dir, `${name}.key`);
    const request = ["req", "-nodes", ...KINDS[kind], "-keyout", key, "-subj", "/CN=localhost", "-addext", NAMES];
    if (ended) {
        const conf = join(dir, "ca.conf");
        writeFileSync(join(dir, "index"), "");
        writeFileSync(join(dir, "serial"), "01\n");
        writeFileSync(conf, `[ca]\ndefault_ca = a\n[a]\ndatabase = ${dir}/index\nserial = ${dir}/serial\nnew_certs_dir = ${dir}\n`
            + "default_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n");
        await openssl(...request, "-new", "-out", `${cert}.csr`);
        await openssl("ca", "-batch", "-selfsign", "-notext", "-config", conf, "-keyfile", key, "-in", `${cert}.csr`, "-out", cert,
            "-startdate", "20010101000000Z", "-enddate", "20011231000000Z");
    } else {
        await openssl(...request, "-x509", "-days", "30", "-out", cert);
    }
    const pem = readFileSync(cert, "utf8");
    return { cert, key, pem, fingerprint: new X509Certificate(pem).fingerprint256 };
}
