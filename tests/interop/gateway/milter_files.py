"""What of the files of a mail system is another where the milter is asked.

Knows the texts in `mail_system` that it takes the place of. May not need pymilter: tests that do
skip themselves, and nothing can be imported from them then.
"""

import re

__all__ = ["LISTENER", "LISTENERS", "MILTER", "WAYS_IN"]

WAYS_IN = re.compile(r"(?ms)^127\.0\.0\.1:\{mx\}.*?(?=^127\.0\.0\.1:\{back\})")
MILTER = """127.0.0.1:{mx} inet n - n - - smtpd
  -o smtpd_milters=inet:127.0.0.1:{from_inside}
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_milters=inet:127.0.0.1:{from_inside}
  -o smtpd_authorized_xclient_hosts=127.0.0.0/8
"""
LISTENERS = re.compile(r"(?ms)^\[listen\.from_outside\].*?(?=^\[next_hop\])")
LISTENER = """[listen.milter]
address = "127.0.0.1:{from_inside}"
protocol = "milter"

"""
