sigbridge_fuzz(ice_filter base/buf.c base/buf_heap.c base/status.c base/problem.c base/text.c proto/address.c
  proto/candidate.c proto/names.c proto/network.c proto/sdp.c proto/sdp_attr.c proto/sdp_bundle.c proto/sdp_lines.c
  policy/budget.c policy/budget_slim.c policy/ice_filter.c policy/ice_filter_address.c
  policy/ice_filter_rules.c policy/ice_filter_sdp.c)
target_sources(fuzz_ice_filter PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake/ice_rules.c)
target_include_directories(fuzz_ice_filter PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake)
