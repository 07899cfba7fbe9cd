"""What PyFlink's operations use of apache_beam, and no more of it. Names and behaviour are Beam's; the code is ours."""
