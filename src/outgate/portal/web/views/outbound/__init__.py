"""Settings > Outbound Smarthost. Each form of the page goes to a view of its own; what is wrong is shown in the page,
beside the field, and what is done leads back to it. What the parts show stands in `web.sections`."""
