sigbridge_unit(json sigbridge_proto)
sigbridge_unit(topic sigbridge_proto)
sigbridge_unit(envelope sigbridge_proto)
sigbridge_unit(message sigbridge_proto)
