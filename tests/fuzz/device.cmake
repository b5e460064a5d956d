sigbridge_fuzz(device base/buf.c base/problem.c base/status.c base/text.c proto/envelope.c
  proto/json.c proto/json_known.c proto/json_text.c proto/names.c proto/presence.c proto/topic.c)
set(device ${PROJECT_SOURCE_DIR}/clients/device-c)
target_sources(fuzz_device PRIVATE ${device}/src/core.c ${device}/src/error.c ${device}/src/list.c
  ${device}/src/parse.c ${device}/src/presence.c ${device}/src/recent.c ${device}/src/topics.c ${device}/src/types.c
  ${device}/src/write.c)
target_include_directories(fuzz_device PRIVATE ${device}/include ${device}/src)
# The invariants are assertions: they count in every build type.
target_compile_options(fuzz_device PRIVATE -UNDEBUG)
