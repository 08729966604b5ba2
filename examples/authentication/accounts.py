"""Who the members are.

To add one: python3 accounts.py NAME, and put the line it prints into
MEMBERS. The passwords themselves are nowhere."""

import hashlib
import hmac

MEMBERS = {
    # lovelace
    "ada": ("f40fa69dfa6a7b061e0b7ebc22312161",
            "bb34f55f346167fdfd1b7e6d8a194046"
            "dc9e03bc3ba7070ffdc587294d44f165"),
}

COST = {"n": 2 ** 12, "r": 8, "p": 1, "dklen": 32}


def digest(password, salt):
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **COST)


def check_password(req, user, password):
    """True, False, or None for a stranger."""
    salt, wanted = MEMBERS.get(user, ("00", "00"))
    # Reckoned for strangers, too: the time tells nobody who is a member.
    is_right = hmac.compare_digest(digest(password, salt),
                                   bytes.fromhex(wanted))
    return is_right if user in MEMBERS else None


if __name__ == "__main__":
    import getpass
    import secrets
    import sys
    salt = secrets.token_hex(16)
    print(f'    "{sys.argv[1]}": ("{salt}",\n'
          f'        "{digest(getpass.getpass(), salt).hex()}"),')
