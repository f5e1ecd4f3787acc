#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes guards out of src/tls, src/crypto and the keys' part of src/server, one at a time, and sees that a test then fails.

mutants.py [BUILD]: for each row the mutated file is compiled outside of the tree, linked in front of the libraries of BUILD (so that
it stands in for the real one), and the test is run. A mutant that passes is a guard that no test holds. TAP on standard output.
"""
import json, os, shlex, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")

# (hazard, file, the guard, what stands there instead, the test program, the test that must fail)
MUTANTS = [
    ("a ticket opens in another context (CVE-2025-23419)", "src/tls/tls_ticket.c",
     "hf_secret_equal(bound.ptr, binding, BINDING)", "true", "test_tls_old", "a_ticket_opens_only_what_it_was_minted_for"),
    ("a session is resumed without the extended master secret (triple handshake)", "src/tls/tls_old.c",
     "good = w->ems || hf_hs_flaw(", "good = true || hf_hs_flaw(", "test_tls_old", "a_session_is_not_resumed_without_the_extended_master_secret"),
    ("an error tells a wrong premaster from a right one (Bleichenbacher, ROBOT)", "src/crypto/crypto_key.c",
     "(void)decrypt(key, version, encrypted, out);", "if (!decrypt(key, version, encrypted, out)) return hf_err_make(HF_ERR_TLS_CRYPTO);",
     "test_tls_old", "a_wrong_premaster_is_told_by_nothing_but_the_finished"),
    ("the premaster is decrypted by plain PKCS#1", "src/crypto/crypto_key.c",
     "EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_WITH_TLS_PADDING) == 1 &&\n                      EVP_PKEY_CTX_set_params(ctx, params) == 1",
     "EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 && params[0].key != NULL", "test_crypto_identity",
     "a_premaster_secret_is_decrypted_or_replaced_in_silence"),
    ("nobody looks for the mark of a downgrade", "src/tls/tls_old.c",
     'memcmp(sh->random.ptr + 24, "DOWNGRD", 7) == 0', "false", "test_tls_handshake", "a_downgrade_is_seen"),
    ("a client's CertificateVerify is not checked", "src/tls/tls_old.c",
     "const hf_err err = hf_chain_check(h->work->chain, (hf_scheme)scheme, hf_bytes_make(raw.ptr, raw.len), signature);",
     "(void)raw, (void)signature; const hf_err err = HF_OK;", "test_tls_old", "a_certificate_without_its_key_is_refused"),
    ("without a common protocol the handshake goes on (ALPACA)", "src/tls/tls_server.c",
     "if (best == h->config->protocol_count)\n", "if (best == h->config->protocol_count)\n        return true;\n    if (best == SIZE_MAX)\n",
     "test_tls_handshake", "alpn_is_strict"),
    ("a message may span a change of keys", "src/tls/tls_handshake.c",
     "if (changes_reading(event->kind) && hf_handshake_is_amid(h)) {", "if (changes_reading(event->kind) && false) {", "test_tls_states",
     "a_message_behind_a_change_of_keys_is_refused"),
    ("Finished is not compared", "src/tls/tls_flight.c",
     "if (!hf_secret_equal(mac, body.ptr, body.len))", "if (false)", "test_tls_states", "a_wrong_finished_and_a_wrong_signature_are_refused"),
    ("key updates have no bound", "src/tls/tls.c",
     "if (++t->key_updates > t->env->limits->tls_key_updates)", "if (++t->key_updates == UINT16_MAX && flaw.at != NULL)", "test_tls_limits",
     "limit_tls_key_updates"),
    ("early data is taken again and again", "src/tls/tls_server.c",
     "!w->early_fits || !hf_strikes_add(h->config->strikes, w->strike, h->now, (int64_t)h->env->limits->tls_early_window_ns)", "!w->early_fits",
     "test_tls_early", "a_copy_of_a_first_flight_is_not_taken"),
    ("early data of any age is taken", "src/tls/tls_early.c",
     "return ours > theirs ? ours - theirs <= window : theirs - ours <= window;", "return ours + theirs + window > 0;", "test_tls_early",
     "limit_tls_early_window_ns"),
    ("early data is taken of another register's tickets", "src/tls/tls_early.c",
     "t->early.register_id != hf_strikes_id(h->config->strikes)", "t->early.register_id == 0", "test_tls_early",
     "a_ticket_made_beside_another_register_allows_none"),
    ("early data is for another protocol than was agreed", "src/tls/tls_client.c",
     "!hf_bytes_equal(early, h->protocol)", "false", "test_tls_early", "a_server_that_takes_what_was_not_agreed_is_refused"),
    ("there is no end of early data", "src/tls/tls_read.c",
     "if (early && content.len > t->early_left)", "if (early && content.len > 2 * HF_RECORD_MOST)", "test_tls_early", "limit_tls_early_bytes"),
    ("a certificate signs whose key may not", "src/tls/tls_flight.c",
     "return hf_chain_signs(h->work->chain) ||", "return true ||", "test_tls_strict", "a_certificate_whose_key_may_not_sign_signs_nothing"),
    ("bytes behind the end of a flight are taken", "src/tls/tls_handshake.c",
     "return behind.len == 0 ||", "return true ||", "test_tls_strict", "nothing_lies_behind_the_end_of_a_flight"),
    ("a share that fails leaves half of the secret", "src/crypto/crypto_exchange.c",
     "hf_wipe(secret, HF_SHARED_MOST);", "(void)secret;", "test_tls_hybrid", "a_share_that_fails_leaves_no_secret"),
    ("the shared secret stays where it lay", "src/tls/tls_server.c",
     "hf_wipe(secret, sizeof secret);\n    good = good && send_extensions(h);", "good = good && send_extensions(h);", "test_tls_wipes",
     "the_shared_secret_is_wiped_where_it_lay"),
    ("what a ticket seals stays where it lay", "src/tls/tls_ticket.c",
     "hf_write_close(w, ticket, 2);\n    hf_wipe(plain, sizeof plain);", "hf_write_close(w, ticket, 2);", "test_tls_wipes",
     "the_key_of_a_ticket_is_wiped_at_both_ends"),
    ("the key of a ticket stays where it was made", "src/tls/tls_ticket.c",
     "hf_wipe(psk, sizeof psk);\n    return good && hf_hs_end(", "return good && hf_hs_end(", "test_tls_wipes", "the_key_of_a_ticket_is_wiped_at_both_ends"),
    ("what a ticket opened to stays where it lay", "src/tls/tls_server.c",
     "hf_wipe(&t, sizeof t);", "(void)t;", "test_tls_wipes", "the_key_of_a_ticket_is_wiped_when_it_was_used"),
    ("a handshake's secrets stay in a block that is given back", "src/tls/tls_handshake.c",
     "hf_wipe(w, sizeof *w);", "(void)w;", "test_tls_wipes", "no_block_is_given_back_with_a_secret_in_it"),
    ("a connection's secrets stay in a block that is given back", "src/tls/tls_handshake.c",
     "hf_wipe(h, sizeof *h);", "(void)h;", "test_tls_wipes", "no_block_is_given_back_with_a_secret_in_it"),
    ("an answer of the key process stays where it was received", "src/server/key_client.c",
     "hf_wipe(got.signature, (size_t)n - HF_KEY_ANSWER_HEAD);", "(void)n;", "test_server_key_process", "an_answer_that_nobody_waits_for_is_wiped_too"),
]


def compile_mutant(path, old, new, work, commands):
    with open(os.path.join(ROOT, path)) as f:
        text = f.read()
    if text.count(old) != 1:
        raise ValueError(f"{path}: the guard is there {text.count(old)} times: {old}")
    mutated, made = os.path.join(work, os.path.basename(path)), os.path.join(work, "mutant.o")
    with open(mutated, "w") as f:
        f.write(text.replace(old, new))
    command = next(shlex.split(c["command"]) for c in commands if os.path.realpath(os.path.join(c["directory"], c["file"])) == os.path.join(ROOT, path))
    skip, kept = False, []
    for word in command:
        if skip or word in ("-o", "-MF", "-MQ", "-MD", "-c") or os.path.realpath(os.path.join(BUILD, word)) == os.path.join(ROOT, path):
            skip = word in ("-o", "-MF", "-MQ")
            continue
        kept.append(word)
    # its own folder's headers are found as if it lay there
    subprocess.run([*kept, "-w", "-iquote", os.path.dirname(os.path.join(ROOT, path)), "-c", mutated, "-o", made], cwd=BUILD, check=True, capture_output=True)
    return made


def link(test, made, work):
    line = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", f"tests/{test}"], check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    words, program = shlex.split(line), os.path.join(work, test)
    words[words.index("-o") + 1] = program
    at = next(i for i, w in enumerate(words) if w.endswith(".o"))
    subprocess.run([*words[:at], made, *words[at:]], cwd=BUILD, check=True, capture_output=True)
    return program


def failed(test, made, name, work):
    program = link(test, made, work)
    r = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    told = r.stdout + r.stderr
    return r.returncode != 0 and any(name in line and "FAILED" in line for line in told.splitlines())


def main():
    with open(os.path.join(BUILD, "compile_commands.json")) as f:
        commands = json.load(f)
    print(f"1..{len(MUTANTS)}")
    bad = 0
    for number, (hazard, path, old, new, test, name) in enumerate(MUTANTS, 1):
        with tempfile.TemporaryDirectory() as work:
            try:
                good = failed(test, compile_mutant(path, old, new, work, commands), name, work)
            except (ValueError, subprocess.SubprocessError) as e:
                good = False
                told = getattr(e, "stderr", None)
                print("#", told.decode(errors="replace")[-800:].replace("\n", "\n# ") if told else e)
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {hazard}: {name} sees it", flush=True)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
