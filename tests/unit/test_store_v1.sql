-- A presence database of version 1, as a bridge "here" left it that was killed in its second run: two of
-- its sessions ended by the restart and not yet cleared, one open, a device and a session of a
-- bridge "there" open. Made by that version; sqlite3 .dump and its two PRAGMAs.
BEGIN TRANSACTION;
CREATE TABLE run ( id INTEGER PRIMARY KEY AUTOINCREMENT, bridge TEXT NOT NULL, started_ms INTEGER NOT NULL, swept_ms INTEGER, ended_ms INTEGER) STRICT;
INSERT INTO run VALUES(1,'here',1780000000000,1780000006000,1780000090000);
INSERT INTO run VALUES(2,'here',1780000100000,NULL,NULL);
CREATE TABLE membership ( id INTEGER PRIMARY KEY, room TEXT NOT NULL, peer TEXT NOT NULL, kind TEXT NOT NULL, bridge TEXT NOT NULL, transport TEXT NOT NULL, sid TEXT NOT NULL, meta TEXT NOT NULL, since_ms INTEGER NOT NULL, joined_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, left_ms INTEGER, reason TEXT, seen_run INTEGER NOT NULL, uncleared INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO membership VALUES(1,'lobby','ann','browser','here','ws','k3x9qa-abcdefghijklm','{"name":"Ann \"A.\" ä"}',1780000001000,1780000001000,1780000001000,1780000100000,'bridge-restart',1,1);
INSERT INTO membership VALUES(2,'lobby','cam1','device','','mqtt','','{"model":"x"}',0,1780000002000,1780000002000,NULL,NULL,1,0);
INSERT INTO membership VALUES(3,'lobby','bob','browser','there','ws','zzzzzz-nopqrstuvwxyz','',1780000003000,1780000003000,1780000003001,1780000009000,'leave',1,0);
INSERT INTO membership VALUES(4,'yard','mia','browser','here','ws','k3x9qa-0123456789abc','{}',1780000004000,1780000004000,1780000004000,1780000100000,'bridge-restart',1,1);
INSERT INTO membership VALUES(5,'yard','tom','browser','there','ws','zzzzzz-7777777777777','{}',1780000005000,1780000005000,1780000005000,NULL,NULL,1,0);
INSERT INTO membership VALUES(6,'lobby','eva','browser','here','ws','p0p0p0-qqqqqqqqqqqqq','{}',1780000101000,1780000101000,1780000101000,NULL,NULL,2,0);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('run',2);
CREATE UNIQUE INDEX membership_present ON membership (room, peer) WHERE left_ms IS NULL;
CREATE INDEX membership_room ON membership (room, joined_ms);
CREATE INDEX membership_peer ON membership (peer, joined_ms);
CREATE INDEX membership_time ON membership (joined_ms);
CREATE INDEX membership_uncleared ON membership (bridge) WHERE uncleared;
CREATE VIEW present AS SELECT room, peer, kind, bridge, transport, sid, meta, strftime('%Y-%m-%dT%H:%M:%fZ', joined_ms / 1000.0, 'unixepoch') AS joined FROM membership WHERE left_ms IS NULL;
PRAGMA application_id=1936287586;
PRAGMA user_version=1;
COMMIT;
