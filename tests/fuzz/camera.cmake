sigbridge_fuzz(camera base/buf.c base/buf_heap.c base/problem.c base/status.c base/text.c)
set(camera ${PROJECT_SOURCE_DIR}/clients/camera)
target_sources(fuzz_camera PRIVATE ${camera}/choice.c ${camera}/codec.c ${camera}/remote.c
  ${camera}/rewrite.c)
target_include_directories(fuzz_camera PRIVATE ${camera})
