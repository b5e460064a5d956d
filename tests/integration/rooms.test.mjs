/* The same with presence.scope = rooms: a bridge that watches only the rooms of its sessions behaves
 * no different in them. */
process.env.SIGBRIDGE_PRESENCE_SCOPE = "rooms";
process.env.SIGBRIDGE_LIMITS_ADDRESS_SESSIONS = "2000"; /* none of them closes its sockets before the end */
for (const name of ["messages", "order", "presence", "outage"])
    await import(`./${name}.test.mjs`);
