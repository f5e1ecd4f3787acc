/* SPDX-License-Identifier: Apache-2.0
 *
 * What Chromium says on its error pages and in its console, where no single error of ours is meant. The names are those of its
 * net/base/net_error_list.h; those of certificates and TLS are error_names.c's.
 */
#include "outside_names.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <handfast/base.h>

#define LOOK "handfast explain URL walks the connection, and says at which step it fails"
#define ANSWER "handfast explain URL names the rule that the answer breaks; it is the server's, or that of a proxy in between, to mend"
#define PROXY "is the proxy right, and up? The browser's settings, or https_proxy; handfast get -v -x PROXY URL shows what it says"
#define PAGE "the page's console says which policy; it is the site's to change"

static const hf_browser_name rows[] = {
    { "ERR_CONNECTION_REFUSED", "the host is there, and nothing listens on this port of this address, or a firewall refuses in its name (ECONNREFUSED)", "is the server running, and bound to this address? ss -ltnp on its machine" },
    { "ERR_CONNECTION_RESET", "the server, or something between, ended the connection at once (ECONNRESET)", LOOK },
    { "ERR_CONNECTION_CLOSED", "the connection ended before there was an answer", LOOK },
    { "ERR_CONNECTION_ABORTED", "the connection was given up before it stood, or on this side", LOOK },
    { "ERR_CONNECTION_FAILED", "no connection came about", LOOK },
    { "ERR_CONNECTION_TIMED_OUT", "no answer at all to SYN: a firewall drops the packets, the host is down, or the address is wrong (ETIMEDOUT)", LOOK },
    { "ERR_TIMED_OUT", "something took longer than the browser waits: connecting, the handshake, or the answer", LOOK },
    { "ERR_EMPTY_RESPONSE", "the connection stood, and the server closed it without a byte: it crashed, or it speaks TLS and was asked in plain", LOOK },
    { "ERR_NAME_NOT_RESOLVED", "the name has no address: it does not exist, or the name server could not say", "check the spelling; getent hosts NAME; dig NAME" },
    { "ERR_NAME_RESOLUTION_FAILED", "the name server did not answer, or not so that it could be read", "is the name server reachable? dig NAME; resolvectl status" },
    { "ERR_DNS_TIMED_OUT", "the name server did not answer in time", "is the name server reachable? dig NAME; resolvectl status" },
    { "ERR_ICANN_NAME_COLLISION", "the name leads to 127.0.53.53: a domain that was once private became public", "use a name of your own domain" },
    { "ERR_ADDRESS_UNREACHABLE", "no route leads to the address, or a router says that it cannot be reached (EHOSTUNREACH, ENETUNREACH)", "ip route get ADDRESS" },
    { "ERR_ADDRESS_INVALID", "this address cannot be connected to, as 0.0.0.0", "bind to 0.0.0.0, but visit localhost or the machine's address" },
    { "ERR_ADDRESS_IN_USE", "another program listens on this address and port (EADDRINUSE)", "ss -ltnp names it" },
    { "ERR_INTERNET_DISCONNECTED", "this machine has no network", "ip addr; ip route" },
    { "ERR_NETWORK_CHANGED", "an address or route of this machine changed in the middle: a VPN, Wi-Fi, or containers that come and go", "ask again; ip monitor shows what changes" },
    { "ERR_NETWORK_ACCESS_DENIED", "a firewall or rule on this machine forbids it (EACCES)", "the local firewall's rules" },
    { "ERR_NETWORK_IO_SUSPENDED", "the machine went to sleep", "ask again" },
    { "ERR_INSUFFICIENT_RESOURCES", "this machine has no descriptor, port or memory left for it (EMFILE, EADDRNOTAVAIL, ENOBUFS); or a page asks too much at once", "handfast doctor; handfast ports" },
    { "ERR_MSG_TOO_BIG", "a datagram is larger than the path takes (EMSGSIZE)", "look at the path's MTU" },
    { "ERR_UNSAFE_PORT", "browsers ask no such port, since another protocol lives there (25, 6000, 6667 and others: Fetch 2.9, bad port)", "serve at another port, as 8080 or 8443" },
    { "ERR_TOO_MANY_REDIRECTS", "more than 20 redirects, mostly a circle: http to https behind a proxy that speaks http to the server, www and back, or a cookie that is not kept", "handfast explain --location URL shows each" },
    { "ERR_INVALID_REDIRECT", "the Location of a redirect is no URL", ANSWER },
    { "ERR_UNSAFE_REDIRECT", "a redirect leads where a page must not: to file:, data: or another scheme", ANSWER },
    { "ERR_INVALID_RESPONSE", "the answer cannot be understood", ANSWER },
    { "ERR_INVALID_HTTP_RESPONSE", "what came is no HTTP: another protocol lives on the port, or HTTP/0.9 on a port other than 80", LOOK },
    { "ERR_INVALID_CHUNKED_ENCODING", "a chunk's size is no number (RFC 9112 7.1)", ANSWER },
    { "ERR_INCOMPLETE_CHUNKED_ENCODING", "the connection ended before the last chunk: the server or a proxy gave up in the middle", "the server's log for the same moment; a timeout or body limit of a proxy" },
    { "ERR_CONTENT_LENGTH_MISMATCH", "fewer bytes came than Content-Length says", "the server's log for the same moment; what changes bodies (compression) must change the length" },
    { "ERR_CONTENT_DECODING_FAILED", "Content-Encoding says gzip, br or zstd, and the body is not that: encoded twice, not at all, or cut", ANSWER },
    { "ERR_CONTENT_DECODING_INIT_FAILED", "the browser cannot undo this Content-Encoding", ANSWER },
    { "ERR_RESPONSE_HEADERS_TOO_BIG", "the head of the answer is larger than 256 KiB", "fewer and smaller Set-Cookie and Content-Security-Policy" },
    { "ERR_RESPONSE_HEADERS_TRUNCATED", "the connection ended within the head", ANSWER },
    { "ERR_RESPONSE_HEADERS_MULTIPLE_CONTENT_LENGTH", "there are two Content-Length that differ (RFC 9112 6.3): a sign of request smuggling", ANSWER },
    { "ERR_RESPONSE_HEADERS_MULTIPLE_LOCATION", "there are two Location that differ", ANSWER },
    { "ERR_RESPONSE_HEADERS_MULTIPLE_CONTENT_DISPOSITION", "there are two Content-Disposition, often since a comma in a file's name is not quoted", ANSWER },
    { "ERR_HTTP_RESPONSE_CODE_FAILURE", "a download was answered with an error's status", "handfast explain URL names the status" },
    { "ERR_HTTP2_PROTOCOL_ERROR", "the server broke a rule of HTTP/2, or reset the stream with PROTOCOL_ERROR: often a field that HTTP/2 forbids, or a proxy that cut the answer", "handfast get --http2 -v URL; the same with --http1.1 tells whether the answer itself is whole" },
    { "ERR_HTTP2_SERVER_REFUSED_STREAM", "the server did not take the request (REFUSED_STREAM): it is overloaded, or about to restart", "it may be asked again" },
    { "ERR_HTTP2_PING_FAILED", "the connection stopped answering: the path, or a NAT in it, forgot it", "shorter keep-alive pings, or ask again" },
    { "ERR_HTTP2_COMPRESSION_ERROR", "the head cannot be decoded (HPACK)", ANSWER },
    { "ERR_HTTP2_FLOW_CONTROL_ERROR", "the server sent more than the window", ANSWER },
    { "ERR_HTTP2_FRAME_SIZE_ERROR", "a frame is larger than was agreed", ANSWER },
    { "ERR_HTTP2_INADEQUATE_TRANSPORT_SECURITY", "HTTP/2 was chosen with a suite of TLS 1.2 that it forbids (RFC 9113 9.2.2)", "let the server prefer ECDHE with AES-GCM or ChaCha20" },
    { "ERR_HTTP_1_1_REQUIRED", "the server wants HTTP/1.1 for this: mostly a client certificate, or NTLM", "serve it at a host of its own" },
    { "ERR_QUIC_PROTOCOL_ERROR", "QUIC failed after it stood: a device that changes UDP, another version, or a server that broke a rule", "handfast explain --http3 URL; without Alt-Svc browsers go back to HTTP/2" },
    { "ERR_QUIC_HANDSHAKE_FAILED", "the handshake of QUIC failed", "handfast explain --http3 URL" },
    { "ERR_PROXY_CONNECTION_FAILED", "the proxy could not be reached", PROXY },
    { "ERR_PROXY_AUTH_UNSUPPORTED", "the proxy wants to know who asks, in a way that the browser does not have", PROXY },
    { "ERR_PROXY_CERTIFICATE_INVALID", "the proxy's own certificate is not believed", PROXY },
    { "ERR_TUNNEL_CONNECTION_FAILED", "the proxy would not CONNECT to the server: it forbids the host or port, or does not reach it", PROXY },
    { "ERR_SOCKS_CONNECTION_FAILED", "the SOCKS proxy failed", PROXY },
    { "ERR_SOCKS_CONNECTION_HOST_UNREACHABLE", "the SOCKS proxy does not reach the host", PROXY },
    { "ERR_SSL_OBSOLETE_VERSION", "the server speaks TLS 1.0 or 1.1 alone", "TLS 1.2 and 1.3 on the server" },
    { "ERR_SSL_CLIENT_AUTH_CERT_NEEDED", "the server wants a client certificate", "choose one in the browser, or look which issuers the server names" },
    { "ERR_SSL_PINNED_KEY_NOT_IN_CERT_CHAIN", "the site's keys are pinned, and none of them is in the chain: something between reads the traffic", "who issued the chain? handfast explain chain URL" },
    { "ERR_ECH_NOT_NEGOTIATED", "the DNS promised encrypted ClientHello, and the server did not take it", "the HTTPS record's ech must be that of the server" },
    { "ERR_CERT_CONTAINS_ERRORS", "the certificate cannot be decoded", "handfast explain chain URL" },
    { "ERR_CERT_VALIDITY_TOO_LONG", "a certificate of a public CA may not be valid for longer than its rules allow", "issue it again for a shorter time" },
    { "ERR_CERTIFICATE_TRANSPARENCY_REQUIRED", "a certificate of a public CA carries no proof that it was logged (RFC 6962)", "have the CA issue it again" },
    { "ERR_CERT_SYMANTEC_LEGACY", "it descends from a root that browsers took out", "a certificate of another CA" },
    { "ERR_CERT_NON_UNIQUE_NAME", "a public CA vouches for a name that is not unique, as an intranet's", "a name of your own domain, or a CA of your own" },
    { "ERR_BLOCKED_BY_CLIENT", "an extension of the browser, mostly an ad blocker, did not let the request out", "try without extensions" },
    { "ERR_BLOCKED_BY_ADMINISTRATOR", "a policy of the browser's administrator forbids it", "chrome://policy shows it" },
    { "ERR_BLOCKED_BY_CSP", "the page's Content-Security-Policy forbids it", PAGE },
    { "ERR_BLOCKED_BY_ORB", "an answer of another site is no picture, script or style as its type says, and is kept from the page (opaque response blocking)", "the right Content-Type, or CORS: handfast explain URL --origin ORIGIN" },
    { "ERR_BLOCKED_BY_RESPONSE", "the answer says that this page may not have it: X-Frame-Options, frame-ancestors, Cross-Origin-Resource-Policy or -Embedder-Policy", "handfast explain URL shows these fields" },
    { "ERR_BLOCKED_BY_PRIVATE_NETWORK_ACCESS_CHECKS", "a page of the Internet asked for an address of the local network", "serve the page from the local network, or the service from the Internet" },
    { "ERR_ACCESS_DENIED", "the browser was not allowed to read it", "the file's permissions, or the browser's policy" },
    { "ERR_ABORTED", "the request was given up: the page was left, a script aborted it, or it became a download (204, Content-Disposition)", "none needed, where that was meant" },
    { "ERR_FAILED", "no more is known: for a script's fetch() mostly CORS, or a service worker that answered with an error", "handfast explain URL --origin ORIGIN" },
    { "ERR_CACHE_MISS", "a page that came of a form is to be shown again, and is not in the cache", "answer a POST with 303 to a page of its own" },
    { "ERR_FILE_NOT_FOUND", "there is no such file", "check the path" },
    { "ERR_INVALID_URL", "this is no URL", "check how it is written" },
    { "ERR_UNKNOWN_URL_SCHEME", "no program here knows this scheme", "https:// or http://" },
    { "ERR_DISALLOWED_URL_SCHEME", "this scheme is not allowed here", "https:// or http://" },
    { "ERR_INVALID_AUTH_CREDENTIALS", "name and password were not taken", "401 says what is wanted: handfast explain URL" },
    { "ERR_UPLOAD_FILE_CHANGED", "a file changed while it was uploaded", "upload it once more" },
    { "ERR_WS_PROTOCOL_ERROR", "the server broke a rule of WebSocket", "handfast explain wss://..." },
};

const hf_browser_name *hf_browser_name_find(const char *name)
{
    const char *const colons = strstr(name, "::"); /* net::ERR_... */
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (strcasecmp(rows[i].name, colons != NULL ? colons + 2 : name) == 0)
            return &rows[i];
    return NULL;
}
