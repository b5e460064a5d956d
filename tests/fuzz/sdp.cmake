set(candidate_sources base/status.c base/problem.c base/text.c proto/address.c proto/candidate.c)
sigbridge_fuzz(candidate ${candidate_sources})
sigbridge_fuzz(sdp ${candidate_sources} proto/sdp.c proto/sdp_attr.c proto/sdp_bundle.c
  proto/sdp_lines.c)
