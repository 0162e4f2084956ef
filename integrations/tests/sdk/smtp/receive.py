"""Receives one mail with aiosmtpd and reads it with Python's own email package. Writes the port, then one object of JSON."""

import asyncio
import json
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "options": envelope.mail_options,
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
            "subject": mail["Subject"],
            "sender": [mail["From"].addresses[0].display_name, mail["From"].addresses[0].addr_spec],
            "recipient": [mail["To"].addresses[0].display_name, mail["To"].addresses[0].addr_spec],
            "replyTo": mail["Reply-To"],
            "date": mail["Date"].datetime.timestamp(),
            "headers": {
                name: mail[name]
                for name in ("Message-ID", "In-Reply-To", "References", "List-Unsubscribe", "List-Unsubscribe-Post")
            },
            "type": mail.get_content_type(),
            "text": mail.get_body(("plain",)).get_content(),
            "html": mail.get_body(("html",)).get_content(),
            "longest": max(len(line) for line in envelope.content.split(b"\r\n")),
        }
        print(json.dumps(told), flush=True)
        return "250 2.0.0 Ok: queued as PY1"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"sam@example.org", b"a password"))


async def main():
    loop = asyncio.get_running_loop()

    def session():
        return SMTP(
            Handler(),
            enable_SMTPUTF8=True,
            auth_required=True,
            auth_require_tls=False,
            authenticator=authenticate,
            loop=loop,
        )

    server = await loop.create_server(session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Whoever started it ends it; this is for when they could not.
    await asyncio.wait_for(server.serve_forever(), 60)


asyncio.run(main())
