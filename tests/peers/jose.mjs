// SPDX-License-Identifier: Apache-2.0
// tests/peers/jose.mjs PROGRAM FOLDER - a hundred tokens of each algorithm, signed by jose and verified by `handfast jwt`, and the
// other way round; then each once more with a byte changed. FOLDER is where npm has installed jose.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const [program, folder] = process.argv.slice(2), run = promisify(execFile), count = 100;
const jose = await import(pathToFileURL(resolve(folder, "node_modules/jose/dist/webapi/index.js")));
const top = mkdtempSync(join(tmpdir(), "jose-"));
const said = ["--issuer", "peer", "--audience", "api"], asked = { issuer: "peer", audience: "api" };

async function keysOf(alg) {
    if (alg.startsWith("HS")) {
        const k = randomBytes(parseInt(alg.slice(2)) / 8).toString("base64url"), jwk = { kty: "oct", k, alg, kid: "1" };
        return { mine: jwk, theirs: jwk };
    }
    const pair = await jose.generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
    const of = async key => ({ ...await jose.exportJWK(key), alg, kid: "1" });
    return { mine: await of(pair.privateKey), theirs: await of(pair.publicKey) };
}

function file(name, jwk) {
    const path = join(top, name);
    writeFileSync(path, JSON.stringify(jwk), { mode: 0o600 });
    return path;
}

// A character in the middle of the signature: at its end it might say nothing but zero bits.
function changed(token) {
    const at = token.lastIndexOf(".") + 10;
    return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

async function handfast(...args) {
    try {
        return (await run(program, ["jwt", ...args])).stdout.trim();
    } catch (e) {
        if (typeof e.code !== "number") {
            throw e;
        }
        return null;
    }
}

// NUL in a string is refused by handfast: there is none in these.
async function both(alg) {
    const { mine, theirs } = await keysOf(alg), secret = file(`${alg}.secret`, mine), known = file(`${alg}.known`, theirs), wrong = [];
    const key = await jose.importJWK(mine, alg), open = await jose.importJWK(theirs, alg);
    for (let i = 0; i < count; i++) {
        const token = await new jose.SignJWT({ n: i, text: randomBytes(i).toString("latin1").replaceAll("\0", "") }).setProtectedHeader({ alg, kid: "1", typ: "JWT" })
            .setSubject(`user ${i}`).setIssuer("peer").setAudience("api").setIssuedAt().setExpirationTime("5m").sign(key);
        const good = await handfast("verify", "--key", known, ...said, token);
        const bad = i % 10 ? null : await handfast("verify", "--key", known, ...said, changed(token));
        const ours = await handfast("sign", "--key", secret, ...said, "--subject", `user ${i}`, "--life", "300");
        const read = ours === null ? null : await jose.jwtVerify(ours, open, { ...asked, algorithms: [alg] }).catch(() => null);
        const misread = ours === null ? null : await jose.jwtVerify(changed(ours), open, { ...asked, algorithms: [alg] }).catch(() => null);
        if (!good?.includes(`"n":${i}`) || bad !== null || read?.payload.sub !== `user ${i}` || misread !== null) {
            wrong.push([i, token, ours]);
        }
    }
    return wrong;
}

const algs = ["HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"];
console.log(`1..${algs.length}`);
for (const [i, alg] of algs.entries()) {
    const wrong = await both(alg);
    console.log(`${wrong.length ? "not ok" : "ok"} ${i + 1} - ${count} tokens of ${alg} both ways${wrong.length ? " # " + JSON.stringify(wrong[0]) : ""}`);
    process.exitCode ||= wrong.length ? 1 : 0;
}
rmSync(top, { recursive: true });
