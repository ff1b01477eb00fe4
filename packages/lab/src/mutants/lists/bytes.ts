/** Packets, keys, cryptography, RAW, and the bytes of handshakes and frames. */
import { of, suites } from "./of.ts"

const packet = of("packet", "packages/core/src/Packet.ts", suites("Packet", "vectors"), {
  "length": [
    `if (bytes.length > expected.maxLength) return`,
    `if (false) return`,
    "a packet over the limit of its carrier is read"
  ],
  "line-feed": [
    `if (bytes[end] !== lineFeed) return`,
    `if (false) return`,
    "a packet without its line feed is read"
  ],
  "sections": [
    `fourth < 0 || bytes.indexOf(bar, fourth + 1) >= 0`,
    `fourth < 0`,
    "a packet with a sixth section is read"
  ],
  "end": [
    `|| bytes[fourth + 3] !== 0x44) {`,
    `) {`,
    "a packet whose last section is not END is read"
  ],
  "network": [
    `: equalAt(bytes, 0, first, networkBytes(expected.networkId))`,
    `: first >= 0`,
    "a packet of another network is read"
  ],
  "type": [
    `if (type === undefined || !expected.types.includes(type)) {`,
    `if (type === undefined) {`,
    "a packet comes where its type may not"
  ],
  "key": [
    `const publicKey = type === "err" && fourth - third === 1`,
    `const publicKey = fourth - third === 1`,
    "a packet that is no err comes without a key"
  ],
  "likely-key": [
    `asciiAt(bytes, third + 1, expected.likelyKey)`,
    `true`,
    "a packet is taken to have the key that it probably has"
  ]
})

const framer = of("framer", "packages/core/src/Framer.ts", suites("Framer"), {
  "limit": [
    `if (length > this.maxLength || feed < 0 && length === this.maxLength) {`,
    `if (length > this.maxLength) {`,
    "a line of the limit without its end is held"
  ],
  "unbounded": [
    `if (length > this.maxLength || feed < 0 && length === this.maxLength) {`,
    `if (false) {`,
    "a line without an end is held whole"
  ]
})

const records = of("records", "packages/core/src/internal/wire/recordFramer.ts", suites("RecordFramer"), {
  "zero": [
    `if (length > 0 && length <= maxStreamLength) return length`,
    `if (length <= maxStreamLength) return length`,
    "a record of no length is read"
  ],
  "limit": [
    `if (length > 0 && length <= maxStreamLength) return length`,
    `if (length > 0) return length`,
    "a record over the limit is read"
  ],
  "pieces": [
    `if (pieces.length > maxPieces || behind > 2 * maxStreamLength) {`,
    `if (pieces.length > maxPieces) {`,
    "a record in pieces keeps whatever memory these stand in"
  ],
  "lent": [
    `if (shared.length === 0) shared.push(this.#lent)`,
    `shared.push(this.#lent, this.#lent)`,
    "one buffer is lent twice at once"
  ]
})

const base64 = of("base64url", "packages/core/src/internal/base/base64url.ts", suites("base64url"), {
  "bits-2": [
    `(padding === 2 ? 0xffff : 0xff)`,
    `(padding === 2 ? 0xfff : 0xff)`,
    "a text with bits that nobody reads is taken, so that bytes have many texts"
  ],
  "bits-1": [
    `(padding === 2 ? 0xffff : 0xff)`,
    `(padding === 2 ? 0xffff : 0x3f)`,
    "a text with bits that nobody reads is taken, so that bytes have many texts"
  ],
  "characters": [
    `if (all < 0) return undefined`,
    ``,
    "a text of other characters is taken"
  ],
  "alphabet": [
    `if (characters.includes("+") || characters.includes("/")) return undefined`,
    ``,
    "a long text of the other alphabet is taken"
  ],
  "skipped": [
    `if (o !== length) return undefined`,
    ``,
    "of a long text what is no character is left out"
  ],
  "padding": [
    `if (length % 4 !== 0) return undefined`,
    `if (length % 4 === 1) return undefined`,
    "a text without its padding is taken"
  ]
})

const networkKey = of("network-key", "packages/core/src/NetworkKey.ts", suites("NetworkKey"), {
  "forged": [
    `bytes?.length !== byteLength`,
    `bytes === undefined`,
    "a text that somebody calls a network key is one, however short it is"
  ]
})

const publicKey = of("key", "packages/core/src/PublicKey.ts", suites("PublicKey", "vectors"), {
  "low-order": [
    `&& !lowOrder.some((point) => compare(point, bytes) === 0)`,
    ``,
    "a key whose products everybody knows is taken"
  ],
  "known": [
    `if (known !== undefined && isText(text, known)) return known`,
    `if (known !== undefined) return known`,
    "a key is taken for another one that was read before"
  ],
  "canonical": [`isCanonical(bytes) && !lowOrder`, `!lowOrder`, "one key has two forms"]
})

const advert = of("advert", "packages/core/src/Advert.ts", suites("Advert", "vectors"), {
  "name": [`return isNodeName(text) ?`, `return text === text as NodeName ?`, "an advert has a name that is none"],
  "name-known": [
    `if (recent[place] === text) return`,
    `if (recent[place] !== undefined) return`,
    "a name is taken for another one that was read before"
  ],
  "port": [`|| Number(port) > 65_535) return undefined`, `) return undefined`, "an advert has a port that is none"],
  "brackets": [`host.includes(":") !== bracketed ? undefined`, `false ? undefined`, "an address has two forms"]
})

const crypto = of("crypto", "packages/core/src/Crypto.ts", suites("Crypto"), {
  "mac": [
    `if (fits && keyIndex === -1) keyIndex = i`,
    `if (keyIndex === -1) keyIndex = i`,
    "a token that nobody with the key made opens"
  ],
  "expired": [`if (age > ttlSeconds) return refused("Expired", age)`, ``, "an old token opens"],
  "future": [
    `|| -age > ttlSeconds) return refused("Future", age)`,
    `) return refused("Future", age)`,
    "a token of the future opens"
  ],
  "exact-time": [`!Number.isSafeInteger(timestamp) || -age`, `-age`, "a time that no number holds exactly is taken"],
  "token-length": [
    `(bytes.length - fernetShortest) % 16 !== 0`,
    `false`,
    "a token that is cut inside a block is looked at"
  ],
  "token-version": [`|| bytes[0] !== fernetVersion ||`, `||`, "a token of another version opens"],
  "pool-wiped": [
    `part.fill(0)
    drawn += length`,
    `drawn += length`,
    "random bytes that were handed out stay in memory"
  ],
  "pool-drawn": [
    `drawn += length
    return bytes`,
    `return bytes`,
    "the same random bytes are handed out again"
  ],
  "equal-length": [
    `equal: (a, b) => a.length === b.length && primitives`,
    `equal: (a, b) => primitives`,
    "comparing bytes of different lengths throws",
    { tests: ["node/NodeCrypto"] }
  ]
})

const nodeCrypto = of("node-crypto", "packages/node/src/NodeCrypto.ts", suites("node/NodeCrypto"), {
  "padding": [
    `if (padding < 1 || padding > aesBlock || padding > end - start) return undefined`,
    ``,
    "a padding of no block opens"
  ],
  "padding-bytes": [
    `if (padded[i] !== padding) return undefined`,
    ``,
    "a padding opens of which the last byte alone is right"
  ],
  "mac-room": [
    `if (data.length > longest || key.length > blockLength)`,
    `if (key.length > blockLength)`,
    "a long token has no room, and throws"
  ]
})

const sharedKeys = of("shared-keys", "packages/core/src/SharedKeys.ts", suites("SharedKeys"), {
  "capacity": [`if (keys.size > capacity) {`, `if (false) {`, "the cache of keys grows with every peer"]
})

const networkKeys = of("network-keys", "packages/core/src/NetworkKeys.ts", suites("NetworkKeys"), {
  "last": [
    `return left.length === 0 ? refused("Last")`,
    `return false ? refused("Last")`,
    "a network loses its last key, and goes on in clear"
  ],
  "clear": [
    `Effect.suspend(() => clear ? refused("Clear") :`,
    `Effect.suspend(() =>`,
    "a network in clear gets a key, which nobody applies"
  ],
  "full": [
    `: held.length >= maxKeys
            ? refused("Full")`,
    `: false
            ? refused("Full")`,
    "more keys are held than may be"
  ],
  "set-empty": [
    `return next.length === 0
            ? refused("Last")`,
    `return false
            ? refused("Last")`,
    "an empty list takes the last key away"
  ]
})

const networkCipher = of(
  "network-cipher",
  "packages/core/src/internal/wire/networkCipher.ts",
  suites("networkCipher", "vectors"),
  {
    "envelope": [
      `return start >= 0 && equalAt(plaintext, 0, head.length, head)
        ? Result.succeed({ text`,
      `return true
        ? Result.succeed({ text`,
      "a token is moved to another key, type or network"
    ],
    "in-clear": [
      `looksLikeToken(content)
          ? failed`,
      `false
          ? failed`,
      "a node without a key takes a token for a text"
    ],
    "time": [
      `WallTime.millisUnsafe(clock), timeToLive)`,
      `WallTime.millisUnsafe(clock), Infinity)`,
      "a token opens however old it is"
    ],
    "age-envelope": [
      `return equalAt(plaintext, 0, head.length, head) ? { text: plaintext`,
      `return true ? { text: plaintext`,
      "the tool that compares clocks opens a token that was moved to another packet",
      { tests: ["networkCipher", "Diagnose.sim"] }
    ]
  }
)

const raw = of("raw", "packages/core/src/Raw.ts", suites("Raw", "vectors", "Fuzz"), {
  "nonce": [
    `|| !equalAt(nonce, 0, noncePrefix.length, noncePrefix)) return failed("nonce")`,
    `) return failed("nonce")`,
    "a box made for another purpose opens"
  ],
  "random": [`nonce.set(random, noncePrefix.length)`, ``, "all messages to one peer have one nonce"],
  "version": [
    `|| body[0] !== version) return failed("body")`,
    `) return failed("body")`,
    "a body of another version is read"
  ],
  "direction": [
    `if (body[1] !== (expected.kind === "request" ? 0 : 1)) return failed("direction")`,
    ``,
    "a request is taken for its own answer"
  ],
  "receiver": [
    `if (!equalAt(body, 2, o, keyBytes(expected.to))) return failed("receiver")`,
    ``,
    "a message is passed on to somebody else, or back"
  ],
  "network": [
    `if (!equalAt(body, o, o + networkSize, labelBytes(expected.networkId))) return failed("network")`,
    ``,
    "a message is passed on to another network"
  ],
  "size": [
    `o + nameSize + 8 > body.length) return failed("size")`,
    `o + nameSize > body.length) return failed("size")`,
    "a body that ends inside its stamp throws"
  ],
  "name": [
    `text !== undefined && isNodeName(text) ? text : undefined`,
    `text as NodeName`,
    "a message has a name that is none"
  ],
  "likely": [
    `equalAt(body, o, o + nameSize, labelBytes(likely))`,
    `nameSize > 0`,
    "a message is taken to have the name that it probably has"
  ],
  "exact": [
    `if (high >= 0x20_0000) return`,
    `if (false) return`,
    "a stamp that no number holds exactly reads as another message's"
  ],
  "exact-limit": [
    `if (high >= 0x20_0000) return`,
    `if (high > 0x20_0000) return`,
    "a stamp that no number holds exactly reads as another message's"
  ],
  "exact-too-much": [
    `if (high >= 0x20_0000) return`,
    `if (high >= 0x1f_ffff) return`,
    "a stamp that numbers hold exactly is refused"
  ],
  "old": [
    `return Math.abs(age) > replayWindow`,
    `return -age > replayWindow`,
    "a recorded message is accepted for as long as nobody remembers it"
  ],
  "future": [
    `return Math.abs(age) > replayWindow`,
    `return age > replayWindow`,
    "a stamp of the far future is accepted, and locks its sender out"
  ],
  "window": [
    `return Math.abs(age) > replayWindow`,
    `return Math.abs(age) >= replayWindow`,
    "a stamp of exactly 60 seconds is refused"
  ],
  "start": [
    `if (stamp <= this.start()) return`,
    `if (stamp < this.start()) return`,
    "a recorded message of the moment of the start is accepted"
  ],
  "before-start": [
    `if (stamp <= this.start()) return ProtocolError.local("ERR_REPLAY", "stamped before this node started")`,
    ``,
    "a restart makes recorded messages new"
  ],
  "replay": [
    `if (entry !== undefined && stamp <= entry.stamp) {`,
    `if (entry !== undefined && stamp < entry.stamp) {`,
    "the last message can be sent again"
  ],
  "earlier": [
    `if (entry !== undefined && stamp <= entry.stamp) {`,
    `if (entry !== undefined && stamp === entry.stamp) {`,
    "an earlier message can be sent again"
  ],
  "strangers": [
    `this.entries.size >= this.capacity || !known && this.strangers >= this.capacity >> 1`,
    `this.entries.size >= this.capacity`,
    "strangers fill the table of stamps"
  ],
  "capacity": [`this.entries.size >= this.capacity || !known &&`, `!known &&`, "the table of stamps has no end"],
  "sweep": [
    `if (stamp + replayWindow < nowMillis * 1_000) {`,
    `if (stamp < nowMillis * 1_000) {`,
    "a stamp is forgotten while its message would still be accepted"
  ]
})

const curve = of("handshake", "packages/core/src/internal/session/curve.ts", suites("Handshake"), {
  "hello-length": [
    `if (command.length !== helloLength || !isHello(command)) return refused("not a HELLO")`,
    `if (command.length < helloLength || !isHello(command)) return refused("not a HELLO")`,
    "HELLO has more than it may",
    {
      equivalent:
        "what is more is a part of the box, which does not open then: it is refused all the same, one product later"
    }
  ],
  "hello-version": [
    `if (!crypto.equal(fields.take(version.length), version)) return`,
    `if (!fields.take(version.length)) return`,
    "a HELLO of another version is taken"
  ],
  "hello-padding": [
    `if (!crypto.equal(fields.take(zeros.length), zeros)) return`,
    `if (!fields.take(zeros.length)) return`,
    "HELLO carries what nobody checks"
  ],
  "hello-key": [
    `if (clientKey === undefined) return refused("C' is no public key")`,
    ``,
    "a key of low order is multiplied with"
  ],
  "hello-nonce": [
    `if (!crypto.equal(fields.take(8), firstNonce)) return refused("the nonce of HELLO is not 1")`,
    `fields.take(8)`,
    "HELLO has another nonce"
  ],
  "hello-zeros": [
    `if (!crypto.equal(signature, signed)) return`,
    `if (!signature) return`,
    "a HELLO whose box holds something else is taken"
  ],
  "cookie-other-wiped": [
    `wipe(secretKey)
  return undefined`,
    `return undefined`,
    "the short-term secret of a cookie that is another client's stays in memory",
    {
      equivalent:
        "the key of a cookie is drawn for one connection and seals one cookie: another client's opens only where random bytes repeat, as in vectors"
    }
  ],
  "cookie-client": [`if (same) return secretKey`, `return secretKey`, "the cookie of one client serves another"],
  "cookie-open": [
    `if (secrets === undefined) return undefined
  const same`,
    `if (secrets === undefined) return Redacted.make(new Uint8Array(32))
  const same`,
    "a cookie that this server did not make is taken"
  ],
  "initiate-nonce": [
    `if (!crypto.equal(fields.take(8), secondNonce)) return`,
    `if (!fields.take(8)) return`,
    "INITIATE has another nonce"
  ],
  "initiate-key": [
    `if (PublicKey.fromBytes(claims.take(keyLength)) !== expectedKey) {`,
    `if (claims.take(keyLength).length === 0) {`,
    "INITIATE claims another key than its packet"
  ],
  "vouch-open": [
    `if (vouch === undefined) return refused("the vouch does not open")`,
    ``,
    "whoever knows a public key is taken for its owner"
  ],
  "vouch-holds": [
    `if (!crypto.equal(vouch, vouched)) return refused("the vouch is for another connection")`,
    ``,
    "the vouch of one connection serves another"
  ],
  "vouch-server": [
    `const vouched = concat(PublicKey.toBytes(clientKey), PublicKey.toBytes(identity.publicKey))
  if (!crypto.equal(vouch, vouched))`,
    `const vouched = PublicKey.toBytes(clientKey)
  if (!crypto.equal(vouch.subarray(0, 32), vouched))`,
    "a vouch for one server is passed on to another"
  ],
  "ready-nonce": [
    `if (!crypto.equal(fields.take(8), firstNonce)) return refused("the nonce of READY is not 1")`,
    `fields.take(8)`,
    "READY has another nonce"
  ],
  "welcome-length": [
    `if (command.length !== welcomeLength || !isWelcome(command))`,
    `if (command.length < welcomeLength || !isWelcome(command))`,
    "WELCOME has more than it may",
    { equivalent: "what is more is a part of the box, which does not open then: it is refused all the same" }
  ],
  "welcome-key": [
    `if (ephemeralKey === undefined) return refused("S' is no public key")`,
    ``,
    "a key of low order is multiplied with"
  ],
  "step": [
    `if (taken.step === step) return taken as`,
    `if (taken.step !== undefined) return taken as`,
    "a step is taken out of turn"
  ],
  "step-once": [
    `const taken = state
      state = undefined`,
    `const taken = state`,
    "a step is taken twice"
  ],
  "step-wiped": [
    `wipe(...taken.secrets)
      return undefined`,
    `return undefined`,
    "the secrets of a step out of turn stay in memory"
  ],
  "close-wiped": [
    `if (state !== undefined) wipe(...state.secrets)`,
    ``,
    "the secrets of a handshake that was given up stay in memory"
  ],
  "client-wiped": [`wipe(secretKey, helloKey)`, ``, "the client's short-term secret stays in memory"],
  "vouch-key-wiped": [
    `wipe(vouchKey)
        const sessionKey`,
    `const sessionKey`,
    "the client's product with its own secret stays in memory"
  ],
  "server-vouch-key-wiped": [
    `wipe(vouchKey)
  if (vouch`,
    `if (vouch`,
    "the server's product with the peer's key stays in memory"
  ],
  "server-hello-key-wiped": [
    `} finally {
        wipe(helloKey)
      }`,
    `} finally {}`,
    "the server's product with the client's short-term key stays in memory"
  ],
  "cookie-key-wiped": [
    `wipe(cookieKey)
      if`,
    `if`,
    "the cookie key stays in memory, and opens what was recorded"
  ],
  "cookie-secret-wiped": [
    `secrets.fill(0)
  if (same)`,
    `if (same)`,
    "the short-term secret stays in memory behind its cookie"
  ],
  "cookie-plain-wiped": [
    `secrets.fill(0)
        wipe(ephemeral.secretKey)`,
    `wipe(ephemeral.secretKey)`,
    "the server's short-term secret stays in memory"
  ],
  "ephemeral-wiped": [
    `wipe(ephemeral.secretKey)
        const welcomeNonce`,
    `const welcomeNonce`,
    "the server's short-term secret stays in memory"
  ],
  "secret-wiped": [
    `wipe(secretKey)
      if (Result.isFailure(peer))`,
    `if (Result.isFailure(peer))`,
    "the server's short-term secret stays in memory"
  ],
  "failed-key-wiped": [
    `if (Result.isFailure(peer)) wipe(sharedKey)
      else`,
    `if (Result.isSuccess(peer))`,
    "the session key of a refused INITIATE stays in memory"
  ],
  "ready-key-wiped": [
    `wipe(sharedKey)
        return Result.fail(metadata.failure)`,
    `return Result.fail(metadata.failure)`,
    "the session key of a refused READY stays in memory"
  ]
})

const metadata = of("metadata", "packages/core/src/internal/session/metadata.ts", suites("Handshake", "Fuzz"), {
  "twice": [
    `if (properties.has(name)) return undefined`,
    ``,
    "a property comes twice, and who reads the other one reads something else"
  ],
  "case": [
    `const lower = (name: string): string => name.replace`,
    `const lower = (name: string): string => true ? name : name.replace`,
    "the same name in other letters is another property"
  ],
  "bounds": [`if (valueEnd > bytes.length) return undefined`, ``, "a value ends behind its end"]
})

const handshake = of("handshake", "packages/core/src/Handshake.ts", suites("Handshake"), {
  "framing-other": [
    `binary: text("framing") === "binary",`,
    `binary: properties.has("framing"),`,
    "another framing is taken for binary records",
    { tests: ["Versions.sim"] }
  ],
  "metadata-network": [
    `if (text("network") !== networkId) return`,
    `if (false) return`,
    "a session goes to another network"
  ],
  "metadata-version": [
    `if (text("pnet") !== "1") return refused("the property Pnet is not 1")`,
    ``,
    "a session speaks another version"
  ],
  "metadata-name": [
    `if (name === undefined || !isNodeName(name)) return`,
    `if (name === undefined) return`,
    "a session has a name that is none"
  ],
  "framing": [
    `binary: options.binary && peer.metadata.binary`,
    `binary: peer.metadata.binary`,
    "records are sent though they were not offered"
  ]
})

const box = of("box", "packages/core/src/internal/session/messageBox.ts", suites("Handshake", "Session.wire"), {
  "nonce": [
    `for (let i = 0; i < 8; i++) if (command[nonceAt + i] !== nonce[16 + i]) return "nonce"`,
    ``,
    "a message is repeated, left out or reordered"
  ],
  "receive-advance": [`this.receiving.advance()`, ``, "a message can be sent again"],
  "send-advance": [`this.sending.advance()`, ``, "two messages have one nonce"],
  "flags": [
    `if (flags !== 0 && flags !== 1 && flags !== 2) return "flags"`,
    ``,
    "a message of an unknown type is read"
  ],
  "prefix": [
    `? [clientPrefix, serverPrefix] : [serverPrefix, clientPrefix]`,
    `? [clientPrefix, clientPrefix] : [clientPrefix, clientPrefix]`,
    "a message is sent back to its sender"
  ],
  "wiped": [`Redacted.value(this.key).fill(0)`, ``, "the session key outlives its session"],
  "closed": [`if (this.closed) throw`, `if (false) throw`, "a message is sealed under a key that was wiped"]
})

export const bytes = [
  ...packet,
  ...framer,
  ...records,
  ...base64,
  ...networkKey,
  ...publicKey,
  ...advert,
  ...crypto,
  ...nodeCrypto,
  ...sharedKeys,
  ...networkKeys,
  ...networkCipher,
  ...raw,
  ...curve,
  ...metadata,
  ...handshake,
  ...box
]
