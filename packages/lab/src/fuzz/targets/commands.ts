/** Calls by name: requests and replies, which are JSON. */
import type { Packet } from "@pnet/core"
import * as CommandWire from "@pnet/core/internal/call/commandWire"
import { notJson } from "@pnet/core/internal/wire/json"
import * as Mutate from "../mutate.ts"
import { rule, same, settled, type Target } from "../target.ts"

export const commandTargets: ReadonlyArray<Target> = [
  {
    name: "command-request",
    folders: ["command-request"],
    cost: 1,
    mutate: Mutate.any(Mutate.json),
    check: (bytes) => {
      const request = CommandWire.decodeRequest(bytes)
      if (typeof request === "string") {
        rule(request.length < 100, "a long text about what is wrong")
        return false
      }
      rule(({} as any).polluted === undefined, "the prototype of all objects was changed")
      const encoded = CommandWire.encodeRequest(request, Infinity)
      if (!(encoded instanceof Uint8Array)) {
        // JSON has numbers that are too large for a number here, and nothing else that it has no form for.
        rule(
          encoded !== "too large" && encoded.found.includes("Infinity"),
          `a request that cannot be sent on: ${String(encoded)}`
        )
        return true
      }
      const twice = CommandWire.decodeRequest(encoded)
      rule(typeof twice === "object", "decode(encode(request)) is none")
      const again = CommandWire.encodeRequest(twice, Infinity)
      rule(again instanceof Uint8Array && same(again, encoded), "encode(decode(request)) is another")
      return true
    }
  },
  {
    name: "command-reply",
    folders: ["command-reply"],
    cost: 1,
    mutate: Mutate.any(Mutate.json),
    check: (bytes) => {
      const value = settled(
        CommandWire.decodeReply(bytes, "bob" as Packet.NodeName, "f", 1_000),
        "a reply"
      )
      if (value === undefined) return false
      const fault = notJson(value, "$", Infinity)
      if (fault !== undefined) {
        rule(
          fault !== "too large" && fault.found.includes("Infinity"),
          `a value that cannot be sent on: ${String(fault)}`
        )
        return true
      }
      const encoded = CommandWire.encodeSuccess(value)
      const twice = settled(CommandWire.decodeReply(encoded, "bob" as Packet.NodeName, "f", 1_000), "a reply")
      rule(twice !== undefined && same(CommandWire.encodeSuccess(twice), encoded), "encode(decode(reply)) is another")
      return true
    }
  }
]
