/* One's own camera and microphone, or what there is of them. */

export async function openMedia() {
    if (!navigator.mediaDevices)
        throw new DOMException("no media devices on this page", "SecurityError");
    const wishes = [{ video: true, audio: true }, { video: true }, { audio: true }];
    let first;
    for (const wish of wishes) {
        try {
            return await navigator.mediaDevices.getUserMedia(wish);
        } catch (error) {
            first ??= error;
            if (!["NotFoundError", "NotReadableError", "OverconstrainedError"].includes(error.name))
                throw error;
        }
    }
    throw first;
}

export function closeMedia(stream) {
    for (const track of stream?.getTracks() ?? [])
        track.stop();
}
