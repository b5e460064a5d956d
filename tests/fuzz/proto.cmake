set(json_sources base/status.c base/problem.c base/text.c base/buf.c proto/json.c proto/json_known.c proto/json_text.c)
set(envelope_sources ${json_sources} base/buf_heap.c proto/names.c proto/envelope.c proto/presence.c
  proto/message.c)
set(payload_sources proto/payload.c proto/address.c proto/candidate.c proto/sdp.c proto/sdp_attr.c
  proto/sdp_bundle.c proto/sdp_lines.c)
# All of core, whatever files it has: a list here would be a second copy.
file(GLOB core_sources RELATIVE ${PROJECT_SOURCE_DIR}/bridge CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/bridge/core/*.c ${PROJECT_SOURCE_DIR}/bridge/policy/*.c)
list(APPEND core_sources base/clock.c base/digest.c base/log.c base/map.c proto/meta.c proto/network.c proto/topic.c)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)

pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
sigbridge_fuzz(json ${json_sources})
target_link_libraries(fuzz_json PRIVATE PkgConfig::CJSON)
sigbridge_fuzz(envelope ${envelope_sources} ${payload_sources})
sigbridge_fuzz(topic base/text.c base/buf.c proto/names.c proto/topic.c)
sigbridge_fuzz(router ${envelope_sources} ${payload_sources} ${core_sources})
target_sources(fuzz_router PRIVATE router_clients.c router_other.c router_said.c router_checks.c)
target_link_libraries(fuzz_router PRIVATE PkgConfig::CRYPTO)
