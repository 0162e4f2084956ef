"""Sends to the sandbox with Python's own smtplib: send.py <port> <user> <password>; writes one object of JSON."""

import json
import smtplib
import sys
from email.message import EmailMessage
from email.policy import SMTP

port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
told = {}

mail = EmailMessage()
mail["From"] = "Sam <sam@example.org>"
mail["To"] = "Léa <lea@example.com>"
mail["Subject"] = "Grüße"
mail["Date"] = "Tue, 14 Nov 2023 22:13:20 +0000"
mail["Message-ID"] = "<p-1@mail.example.org>"
mail.set_content("Hello\n.\n.. two dots\nGrüße\n", cte="quoted-printable")

with smtplib.SMTP("127.0.0.1", port) as server:
    try:
        server.login(user, "wrong")
    except smtplib.SMTPAuthenticationError as error:
        told["wrong"] = error.smtp_code

for mechanism in ("auth_plain", "auth_login"):
    with smtplib.SMTP("127.0.0.1", port) as server:
        server.ehlo()
        told["features"] = sorted(server.esmtp_features)
        server.user, server.password = user, password
        told[mechanism] = server.auth(mechanism[5:].upper(), getattr(server, mechanism))[0]

with smtplib.SMTP("127.0.0.1", port) as server:
    server.login(user, password)
    told["partly"] = {
        address: code for address, (code, _) in server.send_message(
            mail, to_addrs=["lea@example.com", "unknown@example.com", "full@example.com"]
        ).items()
    }
    try:
        server.sendmail("sam@example.org", ["spam@example.com"], mail.as_bytes(policy=SMTP))
    except smtplib.SMTPDataError as error:
        told["spam"] = [error.smtp_code, error.smtp_error.decode()]
    told["noop"] = server.noop()[0]

print(json.dumps(told))
