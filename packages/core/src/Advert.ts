/**
 * What a node says of itself: its name and where it listens (protocol section 7). The content of an `adv` packet is
 * `name@host:port`; port 0 means "leaving".
 *
 * An advert is a hint. It is not signed, so it changes no trust, and whoever it names has to prove itself.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { hashOf } from "./internal/base/hash.ts"
import { strictTextOf, utf8 } from "./internal/base/platform.ts"
import { NodeName } from "./Packet.ts"
import * as ProtocolError from "./ProtocolError.ts"

const octet = "(?:0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
const ipv4 = new RegExp(`^${octet}\\.${octet}\\.${octet}\\.${octet}$`)
const portText = /^(?:0|[1-9][0-9]{0,4})$/

/**
 * An address as text in its one form: IPv4 in four decimals without leading zeros, or IPv6 as RFC 5952 writes it, without
 * brackets and zone. `undefined` where the text is neither.
 *
 * @category conversions
 * @since 0.1.0
 */
export const canonicalHost = (text: string): string | undefined => {
  if (ipv4.test(text)) return text
  if (!text.includes(":") || text.includes("%")) return undefined
  const parsed = NetAddress.ipv6FromString(text)
  return Result.isSuccess(parsed) ? NetAddress.formatIp(parsed.success) : undefined
}

/**
 * Schema of a host address in its one form.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Host = Schema.String.check(
  Schema.makeFilter((text: string) => canonicalHost(text) === text || "expected an IPv4 or IPv6 address")
)

/**
 * An advert.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Advert = Schema.Struct({
  name: NodeName,
  /** Where the node listens, without brackets. */
  host: Host,
  /** The port it listens on; 0 means that it is leaving. */
  port: Schema.Port
})

/**
 * An advert.
 *
 * @category models
 * @since 0.1.0
 */
export type Advert = typeof Advert.Type

const isNodeName = Schema.is(NodeName)

// The same names come again and again: one that was read before need not be checked again, and is the same text.
const recent: Array<NodeName | undefined> = Array.from({ length: 4_096 })

const nameOf = (text: string | undefined): NodeName | undefined => {
  if (text === undefined) return undefined
  const place = hashOf(text, 0) & (recent.length - 1)
  if (recent[place] === text) return recent[place]
  return isNodeName(text) ? recent[place] = text : undefined
}

/**
 * `host:port`, with brackets around IPv6.
 *
 * @category conversions
 * @since 0.1.0
 */
export const formatEndpoint = (endpoint: { readonly host: string; readonly port: number }): string =>
  endpoint.host.includes(":") ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`

/**
 * The address and port of `host:port`, or `undefined` where the text is not of that form.
 *
 * @category conversions
 * @since 0.1.0
 */
export const parseEndpoint = (text: string): { readonly host: string; readonly port: number } | undefined => {
  const colon = text.lastIndexOf(":")
  const port = text.slice(colon + 1)
  if (colon < 0 || !portText.test(port) || Number(port) > 65_535) return undefined
  const before = text.slice(0, colon)
  const bracketed = before.startsWith("[") && before.endsWith("]")
  const host = canonicalHost(bracketed ? before.slice(1, -1) : before)
  return host === undefined || host.includes(":") !== bracketed ? undefined : { host, port: Number(port) }
}

/**
 * An advert's text.
 *
 * @category codecs
 * @since 0.1.0
 */
export const encode = (advert: Advert): Uint8Array => utf8(`${advert.name}@${formatEndpoint(advert)}`)

/**
 * Reads an advert's text; `ERR_ADV_FORMAT` where it is none.
 *
 * @category codecs
 * @since 0.1.0
 */
export const decode = (content: Uint8Array): Result.Result<Advert, ProtocolError.ProtocolError> => {
  const at = content.indexOf(0x40)
  // Each for itself, so that a name that is kept does not keep the text that it stood in.
  const name = at < 0 ? undefined : nameOf(strictTextOf(content.subarray(0, at)))
  const address = strictTextOf(content.subarray(at + 1))
  if (name === undefined || address === undefined) return Result.fail(ProtocolError.local("ERR_ADV_FORMAT"))
  const endpoint = parseEndpoint(address)
  return endpoint === undefined
    ? Result.fail(ProtocolError.local("ERR_ADV_FORMAT"))
    : Result.succeed({ name, host: endpoint.host, port: endpoint.port })
}

/**
 * Schema of an advert as its text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AdvertFromText: Schema.Codec<Advert, string> = Schema.String.pipe(
  Schema.decodeTo(Schema.toType(Advert), {
    decode: SchemaGetter.transformEffect((text: string, options) => {
      const decoded = decode(utf8(text))
      return Result.isSuccess(decoded)
        ? Effect.succeed(decoded.success)
        : Effect.fail(new SchemaIssue.InvalidValue({ message: decoded.failure.message }, text, options))
    }),
    encode: SchemaGetter.transform((advert: Advert) => `${advert.name}@${formatEndpoint(advert)}`)
  })
)
