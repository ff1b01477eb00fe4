/**
 * Deviations that are planted in a node of ours, each of one rule: the kit has to find every one, and say of which rule it is. Nothing is
 * written to a source: a deviation is made where the node's files are loaded, and the kit itself, which has no code of the node's,
 * goes on beside it in the same process.
 */
import type { Kind } from "./own.ts"

export interface Deviation {
  /** The rule that does not hold any more. */
  readonly rule: string
  /** What the node does in its place. */
  readonly does: string
  /** The file, from packages/core/src. */
  readonly file: string
  /** What stands there, once. */
  readonly find: string
  readonly replace: string
  /** The least node that shows it; default an AdvancedNode. */
  readonly kind?: Kind
  /** Whether it takes a network with a key. */
  readonly keyed?: boolean
}

const basic: Pick<Deviation, "kind"> = { kind: "BasicNode" }
const keyed: Pick<Deviation, "kind" | "keyed"> = { kind: "BasicNode", keyed: true }
const command: Pick<Deviation, "kind"> = { kind: "CommandNode" }

const packets: ReadonlyArray<Deviation> = [
  {
    rule: "packet-no-line-feed",
    does: "waits for an LF behind 131,072 bytes",
    file: "Framer.ts",
    find: " || feed < 0 && length === this.maxLength",
    replace: "",
    ...basic
  },
  {
    rule: "order-network",
    does: "looks at the type before the network",
    file: "Packet.ts",
    find: "if (networkId === undefined) return fail(\"ERR_NETWORK_INCORRECT\")",
    replace: "if (networkId === undefined) return fail(\"ERR_PACKET_TYPE\")",
    ...basic
  },
  {
    rule: "key-valid",
    does: "takes keys of low order",
    file: "PublicKey.ts",
    find: " && !lowOrder.some((point) => compare(point, bytes) === 0)",
    replace: "",
    ...basic
  },
  {
    rule: "packet-base64url",
    does: "takes base64url whose unused bits are not zero",
    file: "internal/base/base64url.ts",
    find: "(padding === 2 ? 0xffff : 0xff)",
    replace: "(padding === 2 ? 0xffff : 0x3f)",
    ...basic
  },
  {
    rule: "err-drain",
    does: "closes behind an err without reading on",
    file: "internal/wire/packetStream.ts",
    find: "while (dropped < 1_048_576) {",
    replace: "while (dropped < 0) {",
    ...basic
  },
  {
    rule: "err-key",
    does: "puts its key into every err",
    file: "internal/connect/acceptor.ts",
    find: "new Refusal(error, !keyless.has(error.code))",
    replace: "new Refusal(error, true)",
    ...basic
  },
  {
    rule: "err-unanswered",
    does: "answers an err that is wrong",
    file: "internal/connect/acceptor.ts",
    find: "if (PacketStream.saysErr(bytes)) return\n",
    replace: "\n",
    ...basic
  },
  {
    rule: "err-busy",
    does: "takes one connection more of an address",
    file: "internal/connect/acceptor.ts",
    find: "(this.#byAddress.get(address) ?? 0) >= limits.pendingPerAddress",
    replace: "(this.#byAddress.get(address) ?? 0) > limits.pendingPerAddress",
    ...basic
  },
  {
    rule: "token-envelope",
    does: "does not look at a token's envelope",
    file: "internal/wire/networkCipher.ts",
    find: "      return start >= 0 && equalAt(plaintext, 0, head.length, head)\n        ? Result",
    replace: "      return head.length > 0\n        ? Result",
    ...keyed
  },
  {
    rule: "token-time",
    does: "takes a token of two minutes",
    file: "internal/wire/networkCipher.ts",
    find: "export const timeToLive = 60",
    replace: "export const timeToLive = 120",
    ...keyed
  },
  {
    rule: "raw-stamp-last",
    does: "takes a stamp twice",
    file: "Raw.ts",
    find: "stamp <= entry.stamp",
    replace: "stamp < entry.stamp",
    ...basic
  },
  {
    rule: "raw-opens",
    does: "takes an answer for a request",
    file: "Raw.ts",
    find: "if (body[1] !== (expected.kind === \"request\" ? 0 : 1)) return failed(\"direction\")",
    replace: "",
    ...basic
  },
  {
    rule: "raw-body",
    does: "answers with a stamp of its own",
    file: "internal/raw/rawServer.ts",
    find: "      stamp: message.stamp,",
    replace: "      stamp: message.stamp + 1,",
    ...basic
  },
  {
    rule: "advert-by-tcp-once",
    does: "answers a second advert",
    file: "internal/connect/acceptor.ts",
    find: "expected = [\"msg\", \"err\"]",
    replace: "",
    ...basic
  },
  {
    rule: "udp-source",
    does: "believes an advert of another host than it came from",
    file: "internal/discovery/hearing.ts",
    find: "parts.config.checkAdvertSource",
    replace: "false",
    ...basic
  }
]

const sessions: ReadonlyArray<Deviation> = [
  {
    rule: "handshake-hello-checks",
    does: "does not look at HELLO's padding",
    file: "internal/session/curve.ts",
    find: "if (!crypto.equal(fields.take(zeros.length), zeros)) return refused(\"the padding of HELLO is not zero\")",
    replace: "fields.take(zeros.length)"
  },
  {
    rule: "handshake-initiate-vouch",
    does: "does not look for whom a vouch is",
    file: "internal/session/curve.ts",
    find: "if (!crypto.equal(vouch, vouched)) return refused(\"the vouch is for another connection\")",
    replace: ""
  },
  {
    rule: "handshake-initiate-opens",
    does: "does not look at INITIATE's nonce",
    file: "internal/session/curve.ts",
    find: "if (!crypto.equal(fields.take(8), secondNonce)) return refused(\"the nonce of INITIATE is not 2\")",
    replace: "fields.take(8)"
  },
  {
    rule: "metadata-twice",
    does: "takes the last of two properties of a name",
    file: "internal/session/metadata.ts",
    find: "if (properties.has(name)) return undefined",
    replace: ""
  },
  {
    rule: "metadata-case",
    does: "compares names of properties with their case",
    file: "internal/session/metadata.ts",
    find: "name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())",
    replace: "name[0]!.toLowerCase() + name.slice(1)"
  },
  {
    rule: "session-nonce",
    does: "takes a MESSAGE of any later nonce",
    file: "internal/session/messageBox.ts",
    find: "if (command[nonceAt + i] !== nonce[16 + i]) return \"nonce\"",
    replace: "nonce[16 + i] = command[nonceAt + i]!"
  },
  {
    rule: "session-flags",
    does: "does not compare flags with the packet's type",
    file: "internal/session/framing.ts",
    find: "onMessage(command, packet.flags)",
    replace: "onMessage(command, undefined)"
  },
  {
    rule: "record-length",
    does: "takes records of twice the length",
    file: "internal/wire/recordFramer.ts",
    find: "length <= maxStreamLength) return length",
    replace: "length <= 2 * maxStreamLength) return length"
  },
  {
    rule: "frame-whole",
    does: "ignores trailing bytes",
    file: "internal/session/mux.ts",
    find: "return \"trailing bytes\"",
    replace: "return undefined"
  },
  {
    rule: "frame-wrong",
    does: "ignores frames of unknown kinds",
    file: "internal/session/mux.ts",
    find: "return \"an unknown frame\"",
    replace: "return undefined"
  },
  {
    rule: "stream-types",
    does: "takes an OPEN in any type of message",
    file: "internal/session/mux.ts",
    find: "? type === Type.msg ? this.#onOpen(id, message, at, length) : \"an OPEN of the wrong type\"",
    replace: "? this.#onOpen(id, message, at, length)"
  },
  {
    rule: "stream-number-used",
    does: "takes a number below the last",
    file: "internal/session/mux.ts",
    find: "if (id <= this.#lastTheirs) return \"an OPEN of a stream that was opened before\"",
    replace: "if (id === this.#lastTheirs) return \"an OPEN of a stream that was opened before\""
  },
  {
    rule: "stream-after-end",
    does: "takes an empty DATA behind END",
    file: "internal/session/muxStream.ts",
    find: "    if (this.remoteEnded) return false\n    if (payload.length === 0) return true",
    replace: "    if (payload.length === 0) return true\n    if (this.remoteEnded) return false"
  },
  {
    rule: "credit-exceeded",
    does: "takes one byte more than it granted",
    file: "internal/session/credit.ts",
    find: "if (bytes > this.#granted) return false",
    replace: "if (bytes > this.#granted + 1) return false"
  },
  {
    rule: "credit-range",
    does: "takes a CREDIT of 0",
    file: "internal/session/mux.ts",
    find: "return bytes > 0 && (",
    replace: "return ("
  },
  {
    rule: "credit-initial",
    does: "begins with twice the credit where it sends",
    file: "internal/session/credit.ts",
    find: "  #credit = Frame.initialCredit",
    replace: "  #credit = 2 * Frame.initialCredit"
  },
  {
    rule: "frame-pong",
    does: "answers a PING with zeros",
    file: "internal/session/mux.ts",
    find: "this.outgoing.pong(payload.slice())",
    replace: "this.outgoing.pong(new Uint8Array(8))"
  },
  {
    rule: "stream-closed-dropped",
    does: "takes a frame of a closed stream for a violation",
    file: "internal/session/mux.ts",
    find: "const found = (own ? this.own : this.theirs).get(id)",
    replace:
      "const found = (own ? this.own : this.theirs).get(id)\n    if (found === undefined) return \"a frame of a closed stream\""
  },
  {
    rule: "reset-unsupported",
    does: "says not_found of an unknown protocol",
    file: "internal/session/handlers.ts",
    find: "stream.reset(\"unsupported\"",
    replace: "stream.reset(\"not_found\""
  },
  {
    rule: "goaway-last",
    does: "leaves out which streams came",
    file: "internal/session/mux.ts",
    find: "goAwayFrame({ code, message, last: this.#lastTheirs })",
    replace: "goAwayFrame({ code, message })"
  },
  {
    rule: "session-violation",
    does: "says untrusted of a violation",
    file: "internal/session/session.ts",
    find: "detail: broken }, \"protocol\", broken)",
    replace: "detail: broken }, \"untrusted\", broken)"
  }
]

/** Of the side that asks, or that dials. */
const askers: ReadonlyArray<Deviation> = [
  {
    rule: "raw-answer-stamp",
    does: "takes an answer of any stamp",
    file: "internal/raw/messages.ts",
    find: "exchange === undefined || exchange.stamp !== opened.success.stamp",
    replace: "exchange === undefined",
    ...basic
  },
  {
    rule: "raw-resend",
    does: "sends a message again with another stamp",
    file: "internal/raw/messages.ts",
    find: "exchange.stamp ??= this.#nextStamp()",
    replace: "exchange.stamp = this.#nextStamp()",
    ...basic
  },
  {
    rule: "handshake-client-opens",
    does: "does not look at READY's nonce",
    file: "internal/session/curve.ts",
    find: "if (!crypto.equal(fields.take(8), firstNonce)) return refused(\"the nonce of READY is not 1\")",
    replace: "fields.take(8)"
  },
  {
    rule: "handshake-client-trust",
    does: "takes another name than it dialled",
    file: "internal/session/connecting.ts",
    find: "      actualName === name\n",
    replace: "      actualName !== \"\"\n"
  },
  {
    rule: "deadline-opener",
    does: "says nothing of its deadline",
    file: "internal/session/opening.ts",
    find: "...(millis === undefined ? {} : { deadline: millis }),",
    replace: ""
  },
  {
    rule: "stream-answered",
    does: "resets a stream whose answer is whole",
    file: "internal/session/muxStream.ts",
    find: "if (this.own && this.remoteEnded && code === \"cancelled\") return",
    replace: ""
  },
  {
    rule: "session-crossed",
    does: "drains what crosses with GOAWAY renew",
    file: "internal/session/peerSessions.ts",
    find: "other.dialled ? \"renew\" : \"duplicate\"",
    replace: "\"renew\""
  },
  {
    rule: "session-ghost",
    does: "asks no older session for a sign of life",
    file: "internal/session/life.ts",
    find: "for (const older of state.sessions) older.doubt()",
    replace: ""
  },
  {
    rule: "reset-refused",
    does: "does not open again what was refused",
    file: "internal/session/refused.ts",
    find: "return remote && retryable",
    replace: "return remote && retryable && false"
  }
]

const calls: ReadonlyArray<Deviation> = [
  {
    rule: "json-call-hash",
    does: "runs a call of any hash",
    file: "internal/call/rpcJson.ts",
    find: "hash === undefined || hash === null ? undefined : bytesOfHex(hash)",
    replace: "undefined",
    ...command
  },
  {
    rule: "json-call-grants",
    does: "takes a grant of 1.5 chunks",
    file: "internal/call/rpcJson.ts",
    find: "if (!isChunks(grant)) return undefined",
    replace: "if (typeof grant !== \"number\" || grant < 0) return undefined",
    ...command
  },
  {
    rule: "json-call-malformed",
    does: "takes a window below zero",
    file: "internal/call/rpcJson.ts",
    find: "Number.isInteger(value) && value >= 0 && value <= maxChunks",
    replace: "Number.isInteger(value) && value <= maxChunks",
    ...command
  },
  {
    rule: "json-call-unsupported",
    does: "gives up where rpc is unsupported",
    file: "internal/call/rpcClientRequest.ts",
    find: "hash: undefined })\n  return again()",
    replace: "hash: undefined })\n  return Effect.fail(call.mapError(error))",
    ...command
  },
  {
    rule: "contract-hash",
    does: "hashes what is required as it is",
    file: "internal/call/jsonSchema.ts",
    find: "new Set([\"required\", \"enum\"])",
    replace: "new Set([\"enum\"])",
    ...command
  },
  {
    rule: "command-fields-null",
    does: "takes null for no args",
    file: "internal/call/commandWire.ts",
    find: "const args = parsed.value.args ?? []",
    replace: "const args = parsed.value.args === undefined ? [] : parsed.value.args",
    ...command
  },
  {
    rule: "command-many-args",
    does: "takes 10,001 args",
    file: "internal/call/commandWire.ts",
    find: "if (args.length > maxArgs)",
    replace: "if (args.length > maxArgs + 1)",
    ...command
  },
  {
    rule: "deadline-question",
    does: "waits for a question whose time is up",
    file: "internal/call/inTime.ts",
    find: "if (expires === undefined || stream.isWhole) return read",
    replace: "if (stream !== undefined) return read",
    ...command
  },
  {
    rule: "command-get-funcs",
    does: "does not sort the names",
    file: "CommandNode.ts",
    find: "[...names, ...builtIns].sort()",
    replace: "[...builtIns, ...names]",
    ...command
  }
]

const topics: ReadonlyArray<Deviation> = [
  {
    rule: "topic-modes",
    does: "does not count what it drops",
    file: "internal/topics/route.ts",
    find: "    if (said.body !== undefined) this.#missed++\n",
    replace: ""
  },
  {
    rule: "topic-lossless",
    does: "sends nothing again that was not taken",
    file: "internal/topics/route.ts",
    find: "    this.#window?.again()\n",
    replace: ""
  },
  {
    rule: "topic-contract",
    does: "publishes to who knows another contract",
    file: "internal/topics/publishing.ts",
    find: "meant.filter((entry) => isTaken(entry, topic.contract))",
    replace: "meant"
  },
  {
    rule: "topic-denied",
    does: "publishes to who may not subscribe",
    file: "internal/topics/publishing.ts",
    find: "this.#route(feed, topic, may === true ? entries : [])",
    replace: "this.#route(feed, topic, entries)"
  },
  {
    rule: "topic-group",
    does: "does not say that a delivery was handed to somebody before",
    file: "internal/topics/groups.ts",
    find: "entry.delivery, entry.failures > 0, ",
    replace: "entry.delivery, false, "
  },
  {
    rule: "topic-one",
    does: "hears two streams of a peer",
    file: "internal/topics/hearing.ts",
    find: "      before.fiber?.interruptUnsafe()\n      this.#over(before)",
    replace: "      void before"
  },
  {
    rule: "topic-often",
    does: "takes any number of streams",
    file: "internal/topics/hearing.ts",
    find: "if (!this.#streams.take(publicKey, this.#now())) {",
    replace: "if (this.#now() < 0) {"
  },
  {
    rule: "topic-wrong",
    does: "skips what is no record",
    file: "internal/topics/hearing.ts",
    find: "if (typeof record === \"string\") return yield* this.#wrong(inbound, record)",
    replace: "if (typeof record === \"string\") continue"
  },
  {
    rule: "topic-seq",
    does: "does not say what was missed",
    file: "internal/topics/subscription.ts",
    find: "{ heard, missed: taken(this.#behind, origin) }",
    replace: "{ heard, missed: 0 }"
  }
]

/** What a peer may leave out, made of a node of ours that has it: no deviation, and no rule says otherwise. */
export const withoutRpc: Deviation = {
  rule: "json-call-unsupported",
  does: "serves no rpc",
  file: "internal/call/rpcServer.ts",
  find: "for (const wire of [served.wire, jsonWireOf(served.rpc)]) {",
  replace: "for (const wire of [jsonWireOf(served.rpc)]) {",
  ...command
}

export const deviations: ReadonlyArray<Deviation> = [...packets, ...sessions, ...askers, ...calls, ...topics]
