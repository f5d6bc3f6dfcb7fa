"""Who is served: partners, their customers, and the regions whose smarthost these use."""
