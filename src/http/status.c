/* SPDX-License-Identifier: Apache-2.0
 *
 * Reason phrases (RFC 9110 15, and the IANA registry for the later ones).
 */
#include <handfast/http.h>

static const hf_bytes informational[] = {
    [0] = HF_LITERAL("Continue"),
    [1] = HF_LITERAL("Switching Protocols"),
    [3] = HF_LITERAL("Early Hints"), /* RFC 8297 */
};
static const hf_bytes successful[] = {
    [0] = HF_LITERAL("OK"),
    [1] = HF_LITERAL("Created"),
    [2] = HF_LITERAL("Accepted"),
    [3] = HF_LITERAL("Non-Authoritative Information"),
    [4] = HF_LITERAL("No Content"),
    [5] = HF_LITERAL("Reset Content"),
    [6] = HF_LITERAL("Partial Content"),
    [7] = HF_LITERAL("Multi-Status"), /* RFC 4918 */
};
static const hf_bytes redirection[] = {
    [0] = HF_LITERAL("Multiple Choices"),
    [1] = HF_LITERAL("Moved Permanently"),
    [2] = HF_LITERAL("Found"),
    [3] = HF_LITERAL("See Other"),
    [4] = HF_LITERAL("Not Modified"),
    [5] = HF_LITERAL("Use Proxy"),
    [7] = HF_LITERAL("Temporary Redirect"),
    [8] = HF_LITERAL("Permanent Redirect"),
};
static const hf_bytes client_error[] = {
    [0] = HF_LITERAL("Bad Request"),
    [1] = HF_LITERAL("Unauthorized"),
    [2] = HF_LITERAL("Payment Required"),
    [3] = HF_LITERAL("Forbidden"),
    [4] = HF_LITERAL("Not Found"),
    [5] = HF_LITERAL("Method Not Allowed"),
    [6] = HF_LITERAL("Not Acceptable"),
    [7] = HF_LITERAL("Proxy Authentication Required"),
    [8] = HF_LITERAL("Request Timeout"),
    [9] = HF_LITERAL("Conflict"),
    [10] = HF_LITERAL("Gone"),
    [11] = HF_LITERAL("Length Required"),
    [12] = HF_LITERAL("Precondition Failed"),
    [13] = HF_LITERAL("Content Too Large"),
    [14] = HF_LITERAL("URI Too Long"),
    [15] = HF_LITERAL("Unsupported Media Type"),
    [16] = HF_LITERAL("Range Not Satisfiable"),
    [17] = HF_LITERAL("Expectation Failed"),
    [21] = HF_LITERAL("Misdirected Request"),
    [22] = HF_LITERAL("Unprocessable Content"),
    [23] = HF_LITERAL("Locked"),            /* RFC 4918 */
    [24] = HF_LITERAL("Failed Dependency"), /* RFC 4918 */
    [25] = HF_LITERAL("Too Early"),         /* RFC 8470 */
    [26] = HF_LITERAL("Upgrade Required"),
    [28] = HF_LITERAL("Precondition Required"),           /* RFC 6585 */
    [29] = HF_LITERAL("Too Many Requests"),               /* RFC 6585 */
    [31] = HF_LITERAL("Request Header Fields Too Large"), /* RFC 6585 */
    [51] = HF_LITERAL("Unavailable For Legal Reasons"),   /* RFC 7725 */
};
static const hf_bytes server_error[] = {
    [0] = HF_LITERAL("Internal Server Error"),
    [1] = HF_LITERAL("Not Implemented"),
    [2] = HF_LITERAL("Bad Gateway"),
    [3] = HF_LITERAL("Service Unavailable"),
    [4] = HF_LITERAL("Gateway Timeout"),
    [5] = HF_LITERAL("HTTP Version Not Supported"),
    [7] = HF_LITERAL("Insufficient Storage"),             /* RFC 4918 */
    [11] = HF_LITERAL("Network Authentication Required"), /* RFC 6585 */
};

static const struct {
    const hf_bytes *phrases;
    size_t count;
} classes[] = {
    [1] = { informational, HF_COUNT(informational) },
    [2] = { successful, HF_COUNT(successful) },
    [3] = { redirection, HF_COUNT(redirection) },
    [4] = { client_error, HF_COUNT(client_error) },
    [5] = { server_error, HF_COUNT(server_error) },
};

hf_bytes hf_status_phrase(uint16_t status)
{
    const unsigned class = status / 100u, number = status % 100u;
    if (class >= HF_COUNT(classes) || number >= classes[class].count)
        return hf_bytes_make("", 0);
    return classes[class].phrases[number];
}
