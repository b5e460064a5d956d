# The camera. Its pure parts link without GStreamer.
if(TARGET camera_pure)
  sigbridge_unit(camera_offer camera_pure)
  sigbridge_unit(camera_ice camera_pure)
  sigbridge_unit(camera_options camera_pure)
  sigbridge_unit(camera_hub camera_hub)
endif()
