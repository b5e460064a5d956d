#include <sigdev/core.h>

static const char *const texts[SIGDEV_ERR_COUNT] = {
    [SIGDEV_OK] = "no error",
    [SIGDEV_END] = "no further element",
    [SIGDEV_ERR_ARGUMENT] = "a name, a field or a value is not allowed",
    [SIGDEV_ERR_SPACE] = "the buffer is too small",
    [SIGDEV_ERR_TOPIC] = "the topic is not one of this room",
    [SIGDEV_ERR_JSON] = "the payload is not one strict JSON object",
    [SIGDEV_ERR_MESSAGE] = "the payload is not a message of the protocol",
    [SIGDEV_ERR_TOO_LARGE] = "larger than the protocol or the broker allows",
    [SIGDEV_ERR_TOO_OLD] = "waited longer than it is worth",
    [SIGDEV_ERR_STATE] = "not possible in this state",
    [SIGDEV_ERR_FULL] = "too many messages wait for the broker",
    [SIGDEV_ERR_NO_PEER] = "nobody listens at that peer's inbox",
    [SIGDEV_ERR_FORBIDDEN] = "the broker does not allow this topic",
    [SIGDEV_ERR_LOGIN] = "the broker refuses the login",
    [SIGDEV_ERR_TLS] = "no TLS connection to the broker",
    [SIGDEV_ERR_UNREACHABLE] = "no connection to the broker",
    [SIGDEV_ERR_NO_MEMORY] = "out of memory",
    [SIGDEV_ERR_SYSTEM] = "the operating system refused",
    [SIGDEV_ERR_TAKEN_OVER] = "somebody else uses this name",
    [SIGDEV_ERR_UNKNOWN_TYPE] = "a type of message that is not known here",
};

const char *sigdev_error_text(enum sigdev_error e)
{
    return (unsigned)e < SIGDEV_ERR_COUNT ? texts[e] : "unknown error";
}
