pytest_plugins = ["crm_chassis.testing", "pytester"]
