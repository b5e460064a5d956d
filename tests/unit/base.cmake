sigbridge_unit(base sigbridge_base)
sigbridge_unit(log sigbridge_base)
