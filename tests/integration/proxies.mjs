/* nginx and HAProxy, from exactly the files in broker-config/, with addresses, ports, paths of files and
 * users replaced:
 *
 *     const proxy = await startProxy("nginx", bridges);
 *     const peer = await WsPeer.join(proxy.wsUrl, { room, peer: "ann" }, proxy.options());
 *     await proxy.stop();
 */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePort, Program, tempDir, until } from "./harness.mjs";
import { authority, isRoot, source, started } from "./machine.mjs";

const answers = (port) => new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
});

/* Each address of a bridge in the file, one after the other. */
function replaceServers(text, bridges) {
    let i = 0;
    return text.replace(/10\.0\.0\.\d+:8080/g, () => bridges[i++].http);
}

const makers = {
    nginx(dir, text) {
        const own = text.replaceAll("/var/log/nginx/", `${dir}/`).replaceAll("/etc/nginx/", `${dir}/`);
        for (const end of ["crt", "key"])
            copyFileSync(authority.path("here", end), join(dir, `sigbridge.${end}`));
        mkdirSync(join(dir, "conf.d"));
        writeFileSync(join(dir, "conf.d/sigbridge.conf"), own);
        /* As Debian's nginx.conf does, which is not ours. */
        const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${dir}/${name};`).join(" ");
        writeFileSync(join(dir, "nginx.conf"), `${isRoot ? "user nobody nogroup;\n" : ""}daemon off;\npid ${dir}/nginx.pid;\nerror_log stderr notice;\n` +
            `worker_processes 2;\nevents { worker_connections 768; }\nhttp { access_log off; ${temp} include ${dir}/conf.d/*.conf; }\n`);
        return ["nginx", ["-e", "stderr", "-c", join(dir, "nginx.conf")]];
    },
    haproxy(dir, text) {
        let own = text.replaceAll("/etc/haproxy/", `${dir}/`).replace("log /dev/log local0", "log stdout format raw local0")
            .replace("user haproxy", "user nobody").replace("group haproxy", "group nogroup").replace("/var/lib/haproxy", join(dir, "empty"));
        if (!isRoot)
            own = own.replace(/^ {4}(user|group|chroot) .*\n/gm, "");
        mkdirSync(join(dir, "empty"));
        writeFileSync(join(dir, "sigbridge.pem"), readFileSync(authority.path("here", "crt"), "utf8") + readFileSync(authority.path("here", "key"), "utf8"), { mode: 0o600 });
        writeFileSync(join(dir, "haproxy.cfg"), own);
        return ["haproxy", ["-db", "-f", join(dir, "haproxy.cfg")]];
    },
};

const program = (name) => process.env[`SIGBRIDGE_TEST_${name.toUpperCase()}`] || name;

/* `edit` changes the text last. */
export async function startProxy(kind, bridges, { edit = (text) => text } = {}) {
    const dir = tempDir(kind);
    chmodSync(dir, 0o755);
    const ports = { plain: await freePort(), tls: await freePort() };
    const text = replaceServers(readFileSync(join(source, kind === "nginx" ? "nginx.conf" : "haproxy.cfg"), "utf8"), bridges)
        .replace("listen 80;", `listen 127.0.0.1:${ports.plain};`).replace("listen 443 ssl;", `listen 127.0.0.1:${ports.tls} ssl;`)
        .replace("bind :80\n", `bind 127.0.0.1:${ports.plain}\n`).replace("bind :443 ", `bind 127.0.0.1:${ports.tls} `);
    const [name, args] = makers[kind](dir, edit(text));
    const proxy = new Program(program(name), args);
    started.push(proxy);
    const ended = proxy.exited.then(() => {
        throw new Error(`${kind} ended\n${proxy.tail()}`);
    });
    ended.catch(() => {}); /* also where there is no such program: tests/run fetches it */
    await Promise.race([ended, until(() => answers(ports.tls), () => `${kind} listens\n${proxy.tail()}`)]);
    return Object.assign(proxy, {
        kind, dir, ports,
        wsUrl: `wss://127.0.0.1:${ports.tls}/ws`,
        url: `https://127.0.0.1:${ports.tls}/`,
        /* For ws: who may vouch for the proxy, and where the client comes from. */
        options: (more = {}) => ({ ca: [readFileSync(authority.crt)], ...more }),
    });
}
