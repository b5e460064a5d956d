/* Figures of the video that one peer connection receives, from its statistics. */

const EMPTY = { width: 0, height: 0, framesPerSecond: 0, bitsPerSecond: 0, bytes: 0, frames: 0, codec: "" };

export class Meter {
    #pc;
    #last = null;

    constructor(pc) {
        this.#pc = pc;
    }

    /* The current figures; rates are means since the call before. All zero while nothing has come. */
    async read() {
        const report = await this.#pc.getStats();
        let video;
        for (const entry of report.values())
            if (entry.type === "inbound-rtp" && entry.kind === "video" && entry.bytesReceived >= (video?.bytesReceived ?? 0))
                video = entry;
        if (!video)
            return EMPTY;
        const now = {
            at: video.timestamp,
            bytes: video.bytesReceived ?? 0,
            frames: video.framesDecoded ?? 0,
        };
        const last = this.#last ?? now;
        this.#last = now;
        const seconds = (now.at - last.at) / 1000;
        const perSecond = (name) => (seconds > 0 ? Math.max(0, now[name] - last[name]) / seconds : 0);
        return {
            width: video.frameWidth ?? 0,
            height: video.frameHeight ?? 0,
            framesPerSecond: perSecond("frames"),
            bitsPerSecond: perSecond("bytes") * 8,
            bytes: now.bytes,
            frames: now.frames,
            codec: report.get(video.codecId)?.mimeType?.split("/")[1] ?? "",
        };
    }
}
