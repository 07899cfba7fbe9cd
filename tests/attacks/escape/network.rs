//! Sockets, names, and every client of the standard library.

use crate::case::{Case, call};
use crate::outcome::Ends;

const NO_NETWORK: &str = "no such call: the host has no sockets to give";

/// A client's call, which must end in `OSError` or a subclass of it, and not in an answer.
macro_rules! client {
    ($name:literal, $code:literal) => {
        call(
            concat!("network: ", $name),
            concat!(
                "def attack():\n    try:\n        ",
                $code,
                "\n    except (OSError, NotImplementedError) as error:\n        return 'refused'\n    return 'connected'"
            ),
            Ends::Returns("'refused'"),
        )
        .by(NO_NETWORK)
    };
}

pub const CASES: &[Case] = &[
    client!("a TCP socket", "import socket; socket.socket()"),
    client!("a UDP socket", "import socket; socket.socket(type=socket.SOCK_DGRAM)"),
    client!("a raw socket", "import socket; socket.socket(type=3)"),
    client!("a Unix socket of the host", "import socket; socket.socket(1).connect('/var/run/docker.sock')"),
    client!("a pair of sockets", "import socket; socket.socketpair()"),
    client!("`socket.create_connection`", "import socket; socket.create_connection(('127.0.0.1', 22))"),
    client!("a socket from a descriptor", "import socket; [socket.socket(fileno=fd) for fd in range(256)]"),
    client!("DNS: `getaddrinfo`", "import socket; socket.getaddrinfo('example.com', 80)"),
    client!("`urllib.request`", "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')"),
    client!("`urllib.request` of a file", "import urllib.request; urllib.request.urlopen('file:///etc/passwd')"),
    client!("`http.client`", "import http.client; http.client.HTTPConnection('127.0.0.1').request('GET', '/')"),
    client!("`http.server`", "import http.server; http.server.HTTPServer(('', 0), None)"),
    client!("`ftplib`", "import ftplib; ftplib.FTP('127.0.0.1')"),
    client!("`smtplib`", "import smtplib; smtplib.SMTP('127.0.0.1')"),
    client!("`poplib`", "import poplib; poplib.POP3('127.0.0.1')"),
    client!("`imaplib`", "import imaplib; imaplib.IMAP4('127.0.0.1')"),
    client!("`xmlrpc.client`", "import xmlrpc.client; xmlrpc.client.ServerProxy('http://127.0.0.1/').x()"),
    client!("`socketserver`", "import socketserver; socketserver.TCPServer(('', 0), None)"),
    client!("`logging.handlers`", "import logging.handlers; logging.handlers.SysLogHandler()"),
    client!("asyncio's streams", "import asyncio; asyncio.run(asyncio.open_connection('127.0.0.1', 80))"),
    client!("the calls of the host on every descriptor", "import os; [os.read(fd, 1) for fd in range(5, 300)]"),
];
