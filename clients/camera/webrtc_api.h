/* The few parts of GStreamer's WebRTC library that the camera touches.
 *
 * On Debian 12 its header comes in a package that depends on all of OpenCV's development files
 * (some 500 MB), so what is needed stands here: one struct of the library's binary interface and
 * two numbers. Enumerations are read and set by their names instead. webrtcbin registers the types
 * when it is made, so nothing is linked. */
#ifndef CAMERA_WEBRTC_API_H
#define CAMERA_WEBRTC_API_H

#include <gst/sdp/sdp.h>

enum { WEBRTC_SDP_OFFER = 1, WEBRTC_SDP_ANSWER = 3 };

/* GstWebRTCSessionDescription, a boxed type */
struct webrtc_description {
    int type;
    GstSDPMessage *sdp;
};

#define WEBRTC_DESCRIPTION_TYPE "GstWebRTCSessionDescription"

#endif
