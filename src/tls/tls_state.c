/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the handshake: role, state, message. A cell that is absent is unexpected_message; there is no other way
 * for a message to reach a handler. RFC 8446 A.1 and A.2.
 */
#include "tls_core.h"

#define TO(state) (UINT32_C(1) << HF_HS_##state)
#define ON(message) [HF_MESSAGE_##message]

typedef hf_hs_cell row[HF_MESSAGE_COUNT];

static const row server[HF_HS_STATE_COUNT] = {
    [HF_HS_WAIT_HELLO] = { ON(CLIENT_HELLO) = { hf_server_hello1, TO(WAIT_RETRY) | TO(WAIT_EARLY_END) | TO(WAIT_CERT) | TO(WAIT_FINISHED) | TO(OLD_CLIENT_KEY) | TO(OLD_CLIENT_CERT) | TO(OLD_CCS) } },
    [HF_HS_WAIT_RETRY] = { ON(CLIENT_HELLO) = { hf_server_hello2, TO(WAIT_CERT) | TO(WAIT_FINISHED) } },
    [HF_HS_WAIT_EARLY_END] = { ON(END_OF_EARLY) = { hf_server_early_end, TO(WAIT_FINISHED) } },
    [HF_HS_WAIT_CERT] = { ON(CERTIFICATE) = { hf_server_certificate, TO(WAIT_VERIFY) | TO(WAIT_FINISHED) } },
    [HF_HS_WAIT_VERIFY] = { ON(CERTIFICATE_VERIFY) = { hf_server_verify, TO(WAIT_FINISHED) } },
    [HF_HS_WAIT_FINISHED] = { ON(FINISHED) = { hf_server_finished, TO(OPEN) } },
    [HF_HS_OPEN] = { ON(KEY_UPDATE) = { hf_both_key_update, TO(OPEN) } },
    [HF_HS_OLD_CLIENT_CERT] = { ON(CERTIFICATE) = { hf_old_client_certificate, TO(OLD_CLIENT_KEY) } },
    [HF_HS_OLD_CLIENT_KEY] = { ON(CLIENT_KEY) = { hf_old_client_key, TO(OLD_CLIENT_VERIFY) | TO(OLD_CCS) } },
    [HF_HS_OLD_CLIENT_VERIFY] = { ON(CERTIFICATE_VERIFY) = { hf_old_client_verify, TO(OLD_CCS) } },
    [HF_HS_OLD_CCS] = { ON(CCS) = { hf_old_ccs, TO(OLD_FINISHED) } },
    [HF_HS_OLD_FINISHED] = { ON(FINISHED) = { hf_old_finished, TO(OLD_OPEN) } },
};

static const row client[HF_HS_STATE_COUNT] = {
    [HF_HS_WAIT_SERVER_HELLO] = { ON(SERVER_HELLO) = { hf_client_server_hello, TO(WAIT_SERVER_HELLO) | TO(WAIT_EXTENSIONS) | TO(OLD_CERT) | TO(OLD_TICKET) | TO(OLD_CCS) } },
    [HF_HS_WAIT_EXTENSIONS] = { ON(EXTENSIONS) = { hf_client_extensions, TO(WAIT_CERT_OR_REQUEST) | TO(WAIT_FINISHED) } },
    [HF_HS_WAIT_CERT_OR_REQUEST] = { ON(CERTIFICATE_REQUEST) = { hf_client_request, TO(WAIT_CERT) },
                                     ON(CERTIFICATE) = { hf_client_certificate, TO(WAIT_VERIFY) } },
    [HF_HS_WAIT_CERT] = { ON(CERTIFICATE) = { hf_client_certificate, TO(WAIT_VERIFY) } },
    [HF_HS_WAIT_VERIFY] = { ON(CERTIFICATE_VERIFY) = { hf_client_verify, TO(WAIT_FINISHED) } },
    [HF_HS_WAIT_FINISHED] = { ON(FINISHED) = { hf_client_finished, TO(OPEN) | TO(WAIT_FINISHED) } },
    [HF_HS_OPEN] = { ON(TICKET) = { hf_client_ticket, TO(OPEN) }, ON(KEY_UPDATE) = { hf_both_key_update, TO(OPEN) } },
    [HF_HS_OLD_CERT] = { ON(CERTIFICATE) = { hf_old_certificate, TO(OLD_STATUS) | TO(OLD_STATUS_RSA) | TO(OLD_SERVER_KEY) | TO(OLD_REQUEST) } },
    [HF_HS_OLD_STATUS] = { ON(STATUS) = { hf_old_status, TO(OLD_SERVER_KEY) }, ON(SERVER_KEY) = { hf_old_server_key, TO(OLD_REQUEST) } },
    [HF_HS_OLD_STATUS_RSA] = { ON(STATUS) = { hf_old_status, TO(OLD_REQUEST) }, ON(CERTIFICATE_REQUEST) = { hf_old_request, TO(OLD_DONE) },
                               ON(SERVER_DONE) = { hf_old_done, TO(OLD_TICKET) | TO(OLD_CCS) } },
    [HF_HS_OLD_SERVER_KEY] = { ON(SERVER_KEY) = { hf_old_server_key, TO(OLD_REQUEST) } },
    [HF_HS_OLD_REQUEST] = { ON(CERTIFICATE_REQUEST) = { hf_old_request, TO(OLD_DONE) }, ON(SERVER_DONE) = { hf_old_done, TO(OLD_TICKET) | TO(OLD_CCS) } },
    [HF_HS_OLD_DONE] = { ON(SERVER_DONE) = { hf_old_done, TO(OLD_TICKET) | TO(OLD_CCS) } },
    [HF_HS_OLD_TICKET] = { ON(TICKET) = { hf_old_ticket, TO(OLD_CCS) } },
    [HF_HS_OLD_CCS] = { ON(CCS) = { hf_old_ccs, TO(OLD_FINISHED) } },
    [HF_HS_OLD_FINISHED] = { ON(FINISHED) = { hf_old_finished, TO(OLD_OPEN) } },
};

const hf_hs_cell *hf_hs_cell_of(bool is_server, uint8_t state, uint8_t message)
{
    if (message >= HF_MESSAGE_COUNT)
        return NULL;
    const hf_hs_cell *cell = is_server ? &server[state][message] : &client[state][message];
    return cell->handle == NULL ? NULL : cell;
}

static const char *const texts[] = {
#define TEXT(NAME, text) text,
    HF_TLS_STATES(TEXT)
#undef TEXT
};

const char *hf_handshake_state_text(uint8_t state)
{
    return state < HF_HS_STATE_COUNT ? texts[state] : "unknown";
}
