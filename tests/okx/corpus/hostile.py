"""Hostile bytes, for every parser of the exchange's messages.

Large ones are made, not stored. `FRAMES` are whole frames; `VALUES` are JSON values, as
bytes, to be put in the place of any field.
"""

FRAMES = {
    "nothing": b"",
    "space": b" ",
    "nul": b"\x00",
    "null": b"null",
    "text": b'"text"',
    "number": b"1",
    "array": b"[]",
    "not-json": b"<html>502 Bad Gateway</html>",
    "cut": b'{"arg":{"channel":"orders"},"data":[{"instId":"BTC-',
    "two": b"{}{}",
    "bom": b"\xef\xbb\xbf{}",
    "invalid-utf8": b'{"event":"\xff\xfe"}',
    "lone-surrogate": b'{"event":"\\ud800","code":"0","data":[]}',
    "overlong-utf8": b'{"event":"\xc0\x80"}',
    "arrays-400": b"[" * 400 + b"]" * 400,
    "arrays-400-in-data": b'{"code":"0","arg":{"channel":"orders"},"data":'
    + b"[" * 400
    + b"]" * 400
    + b"}",
    "arrays-100000-in-data": b'{"code":"0","arg":{"channel":"orders"},"data":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}",
    "objects-400-in-arg": b'{"code":"0","arg":' + b'{"a":' * 400 + b"1" + b"}" * 401,
    "two-mebibytes": b'{"code":"0","data":"' + b"a" * (2 << 20) + b'"}',
    "two-mebibytes-of-space": b" " * (2 << 20),
    "pong-and-more": b"pong\n",
    "data-is-object": b'{"code":"0","arg":{"channel":"orders"},"data":{}}',
    "data-is-null": b'{"code":"0","arg":{"channel":"orders"},"data":null}',
    "no-data": b'{"arg":{"channel":"orders"}}',
    "arg-is-text": b'{"arg":"orders","data":[]}',
    "event-is-number": b'{"event":1}',
    "code-is-number": b'{"code":0,"data":[]}',
}

VALUES = {
    "nan": b"NaN",
    "nan-text": b'"nan"',
    "inf-text": b'"inf"',
    "minus-inf-text": b'"-Infinity"',
    "1e999": b"1e999",
    "1e999-text": b'"1e999"',
    "minus-1e999-text": b'"-1e999"',
    "1e308-text": b'"1e308"',
    "2**63-text": b'"9223372036854775808"',
    "2**64": b"18446744073709551616",
    "long-number": b"1" * 5000,
    "long-text": b'"' + b"a" * 5000 + b'"',
    "null": b"null",
    "true": b"true",
    "array": b"[]",
    "object": b"{}",
    "nested": b"[" * 400 + b"]" * 400,
    "empty": b'""',
    "negative": b'"-1"',
    "zero": b'"0"',
    "fraction": b'"1.5"',
    "hex": b'"0x10"',
    "underscore": b'"1_000"',
    "arabic-digits": b'"\xd9\xa1\xd9\xa2"',
    "spaces": b'" 1 "',
    "invalid-utf8": b'"\xff"',
    "nul": b'"\\u0000"',
}
