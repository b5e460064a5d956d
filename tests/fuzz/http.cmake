sigbridge_fuzz(http base/problem.c base/status.c base/text.c policy/bearer.c policy/forwarded.c policy/origin.c policy/web_path.c
  proto/address.c proto/network.c)
