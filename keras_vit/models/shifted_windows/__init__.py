"""What both versions of Swin share: the settings of their stages, names, roles, costs and layouts."""
