# Sourced by bridge/quickstart and tests/run: finds out which Debian packages are missing and installs
# those, in one go. Looks for what is needed rather than for packages, so that it also is content on
# another system where everything is there. POSIX sh.

missing=

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# One of: cmd:NAME (a program), pc:NAME (known to pkg-config), h:PATH (under /usr/include),
# lib:PATTERN (under the library directories), gst:NAME (a GStreamer plugin).
have() {
    case $1 in
    cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 || [ -x "/usr/sbin/${1#cmd:}" ] ;;
    pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
    h:*) [ -e "/usr/include/${1#h:}" ] || [ -e "/usr/local/include/${1#h:}" ] ;;
    lib:*) some_file "${1#lib:}" ;;
    gst:*) some_file "gstreamer-1.0/libgst${1#gst:}.so" ;;
    esac
}

some_file() {
    # shellcheck disable=SC2231 # a pattern
    for found in /usr/lib/*/$1 /usr/lib/$1 /usr/lib64/$1 /usr/local/lib/$1; do
        [ -e "$found" ] && return 0
    done
    return 1
}

# need WHAT PACKAGE
need() {
    have "$1" && return 0
    case " $missing " in
    *" $2 "*) ;;
    *) missing="$missing $2" ;;
    esac
}

need_compiler() {
    need cmd:cc gcc
    need h:stdio.h libc6-dev
    need cmd:cmake cmake
    need cmd:ninja ninja-build
    need cmd:pkg-config pkg-config
}

need_bridge() {
    need pc:libwebsockets libwebsockets-dev
    need lib:libwebsockets-evlib_ev.so libwebsockets-evlib-ev
    need h:ev.h libev-dev
    need pc:libmosquitto libmosquitto-dev
    need pc:libssl libssl-dev
    need pc:sqlite3 libsqlite3-dev
    need pc:libconfig libconfig-dev
    need cmd:mosquitto mosquitto
}

need_camera() {
    need pc:gstreamer-1.0 libgstreamer1.0-dev
    need pc:gstreamer-app-1.0 libgstreamer-plugins-base1.0-dev
    need gst:videotestsrc gstreamer1.0-plugins-base
    need gst:vpx gstreamer1.0-plugins-good
    need gst:webrtc gstreamer1.0-plugins-bad
    need gst:x264 gstreamer1.0-plugins-ugly
    need gst:nice gstreamer1.0-nice
}

# install_missing PURPOSE: does nothing when nothing is missing.
install_missing() {
    [ -n "$missing" ] || return 0
    say "Missing for $1:$missing"
    command -v apt-get >/dev/null 2>&1 ||
        die "this system has no apt-get; install the same by other means, and start again"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            die "installing needs root: as root, run apt-get install --no-install-recommends$missing"
        as_root=sudo
    fi
    say "Installing them with ${as_root:+$as_root }apt-get."
    # The lists may be absent or too old: then the first try fails, and they are fetched.
    install_now && return 0
    say "Fetching the package lists first."
    $as_root apt-get update -q || die "apt-get update failed; look at what it says above"
    install_now || die "apt-get could not install$missing; look at what it says above"
}

install_now() {
    # shellcheck disable=SC2086 # words, one per package
    apt-cache show $missing >/dev/null 2>&1 &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $missing
}

# build DIRECTORY [CMAKE OPTION...]: configures when the directory is new or the options are others,
# and builds. Fails after it has said why.
build() {
    dir=$1
    shift
    # shellcheck disable=SC2154 # whoever sources this sets $root
    if [ ! -e "$dir/build.ninja" ] || [ "$*" != "$(cat "$dir/options" 2>/dev/null)" ]; then
        if ! cmake -S "$root" -B "$dir" -G Ninja "$@" >"$dir.log" 2>&1; then
            tail -n 20 "$dir.log" >&2
            say "cmake could not configure $dir; all it said is in $dir.log, and to begin anew remove $dir" >&2
            return 1
        fi
        mv "$dir.log" "$dir/configure.log"
        printf '%s\n' "$*" >"$dir/options"
    fi
    cmake --build "$dir" -- --quiet && return 0
    say "The build in $dir failed; what the compiler says is above." >&2
    return 1
}
