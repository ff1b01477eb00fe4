/**
 * The NATS subjects of a node (protocol section 19), and what its user has to be permitted.
 *
 * Every subject says who sends and who receives: `pnet.<network>.<from>.<to>.<kind>…`. So a user who may publish below his own `from` alone
 * can be nobody else, and one who may subscribe to his own `to` alone reads nothing that is another's.
 *
 * What bites: permissions are by key, so they are to be written anew for a node that gets a new one.
 *
 * @since 0.2.0
 */
import * as DerivedHost from "@pnet/core/DerivedHost"
import type { PublicKey } from "@pnet/core/PublicKey"
import * as Base64Url from "effect/encoding/Base64Url"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

/**
 * The kind of this way, by which it is called in errors and sightings, and addresses are derived.
 *
 * @category constants
 * @since 0.2.0
 */
export const kind = "nats"

/**
 * The receiver that is every node.
 *
 * @category constants
 * @since 0.2.0
 */
export const everyone = "all"

/**
 * The sender of what the server itself says.
 *
 * @category constants
 * @since 0.2.0
 */
export const server = "_"

const plain = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/

/**
 * A network id as a token of a subject: as it is where it is of letters, digits, `_` and `-` and does not begin with `-`, and at most 64 of
 * them; else `-` and the base64url of its UTF-8.
 *
 * @category constructors
 * @since 0.2.0
 */
export const network = (networkId: string): string =>
  plain.test(networkId) ? networkId : `-${Base64Url.encode(networkId)}`

const groups = (text: string): ReadonlyArray<string> => text === "" ? [] : text.split(":")

/** The eight groups of an IPv6 address that was written by the rules. */
const parts = (host: string): ReadonlyArray<number> => {
  const [left, right] = host.split("::")
  const before = groups(left!)
  const after = right === undefined ? [] : groups(right)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0")
  return [...before, ...(right === undefined ? [] : zeros), ...after].map((group) => Number.parseInt(group, 16))
}

/**
 * A node's derived address as a token: the 96 bits of its hash as 16 characters of base64url.
 *
 * @category constructors
 * @since 0.2.0
 */
export const ofHost = (host: string): string =>
  Base64Url.encode(Uint8Array.from(parts(host).slice(2).flatMap((group) => [group >> 8, group & 0xff])))

/**
 * The derived address of the node that has a token.
 *
 * @category constructors
 * @since 0.2.0
 */
export const hostOf = (token: string): string => {
  const bytes = Result.getOrThrow(Base64Url.decode(token))
  let host = DerivedHost.prefix
  for (let i = 0; i < 12; i += 2) host += `${((bytes[i]! << 8) | bytes[i + 1]!).toString(16)}${i < 10 ? ":" : ""}`
  return NetAddress.formatIp(Result.getOrThrow(NetAddress.ipv6FromString(host)))
}

/**
 * The token of the node that has a key.
 *
 * @category constructors
 * @since 0.2.0
 */
export const ofKey = (publicKey: PublicKey): string => ofHost(DerivedHost.ofKey(kind, publicKey))

/**
 * Whether a text is the token of a node.
 *
 * @category guards
 * @since 0.2.0
 */
export const isNode = (token: string): boolean => /^[A-Za-z0-9_-]{16}$/.test(token)

/**
 * A subject.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (networkToken: string, from: string, to: string, rest: string): string =>
  `pnet.${networkToken}.${from}.${to}.${rest}`

/**
 * The name of a topic as tokens of a subject: each segment as a network id is. Of a pattern `*` and a last `>` stay what they are, and mean to
 * NATS what they mean to topics.
 *
 * @category constructors
 * @since 0.2.0
 */
export const topic = (name: string): string =>
  name.split(".").map((segment, i, all) =>
    segment === "*" || segment === ">" && i === all.length - 1 ? segment : network(segment)
  ).join(".")

/**
 * What answers of JetStream to a node begin with. It is none of the subjects that nodes hear: the server gives letters for as long as anybody
 * hears where they were asked for, and that has to be who asked.
 *
 * @category constructors
 * @since 0.2.0
 */
export const inboxOf = (networkToken: string, node: string): string => `pnet-inbox.${networkToken}.${node}`

/**
 * What the user of a node has to be permitted, as subjects of NATS.
 *
 * @category models
 * @since 0.2.0
 */
export interface Permissions {
  readonly publish: ReadonlyArray<string>
  readonly subscribe: ReadonlyArray<string>
}

/**
 * What the user of a node has to be permitted, and no more than that: to speak as itself, and to hear what is for it or for all.
 *
 * With `directory` what it needs for the directory in JetStream, which is a help and not needed: where it may not, it asks other nodes.
 *
 * @category constructors
 * @since 0.2.0
 */
export const permissions = (
  networkId: string,
  publicKey: PublicKey,
  options?: { readonly directory?: boolean | undefined }
): Permissions => {
  const net = network(networkId)
  const node = ofKey(publicKey)
  const stream = `KV_${bucket(net)}`
  return {
    publish: [
      `pnet.${net}.${node}.>`,
      ...(options?.directory === true
        ? [
          `$KV.${bucket(net)}.${node}`,
          `$JS.API.STREAM.INFO.${stream}`,
          `$JS.API.DIRECT.GET.${stream}.>`,
          `$JS.API.CONSUMER.CREATE.${stream}`,
          `$JS.API.CONSUMER.CREATE.${stream}.>`,
          `$JS.API.CONSUMER.INFO.${stream}.>`,
          `$JS.FC.${stream}.>`
        ]
        : [])
    ],
    subscribe: [
      `pnet.${net}.*.${node}.>`,
      `pnet.${net}.*.${everyone}.>`,
      ...(options?.directory === true ? [`${inboxOf(net, node)}.>`] : [])
    ]
  }
}

/**
 * What the user of a node has to be permitted for mail, besides `permissions`. The stream and the bucket of what was handled have to be there:
 * somebody who may make them has had mail before.
 *
 * @category constructors
 * @since 0.2.0
 */
export const mailPermissions = (networkId: string, publicKey: PublicKey): Permissions => {
  const net = network(networkId)
  const node = ofKey(publicKey)
  const [stream, handled] = [`pnet_mail_${net}`, `pnet_handled_${net}`]
  // It may make two consumers, and read by these alone: one of its letters, and one of its dead ones.
  const consumers = [[node, `*.mail.${node}`], [`${node}_dead`, `${node}.dead.${node}`]] as const
  return {
    publish: [
      "$JS.API.INFO",
      `$JS.API.STREAM.INFO.${stream}`,
      ...consumers.flatMap(([name, filter]) => [
        `$JS.API.CONSUMER.CREATE.${stream}.${name}.pnet.${net}.${filter}`,
        `$JS.API.CONSUMER.INFO.${stream}.${name}`,
        `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`
      ]),
      `$JS.API.CONSUMER.DELETE.${stream}.${node}_dead`,
      `$JS.ACK.${stream}.${node}.>`,
      `$JS.API.STREAM.INFO.KV_${handled}`,
      `$JS.API.DIRECT.GET.KV_${handled}.$KV.${handled}.${node}.>`,
      `$KV.${handled}.${node}.>`
    ],
    subscribe: [`${inboxOf(net, node)}.>`]
  }
}

/**
 * What the user of a node has to be permitted for durable topics, besides `permissions`. The stream and the bucket of positions have to be there, as
 * for mail. With `subscribe` it reads what is kept on these topics alone, or on those that a pattern means.
 *
 * @category constructors
 * @since 0.2.0
 */
export const durablePermissions = (
  networkId: string,
  publicKey: PublicKey,
  options?: { readonly subscribe?: ReadonlyArray<string> | undefined }
): Permissions => {
  const net = network(networkId)
  const node = ofKey(publicKey)
  const [stream, positions] = [`pnet_topics_${net}`, `pnet_positions_${net}`]
  return {
    publish: [
      "$JS.API.INFO",
      `$JS.API.STREAM.INFO.${stream}`,
      ...(options?.subscribe ?? [">"]).map((name) =>
        `$JS.API.CONSUMER.CREATE.${stream}.*.pnet.${net}.*.topic.${topic(name)}`
      ),
      `$JS.API.CONSUMER.INFO.${stream}.*`,
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
      `$JS.API.CONSUMER.DELETE.${stream}.*`,
      `$JS.API.STREAM.INFO.KV_${positions}`,
      `$JS.API.STREAM.MSG.GET.KV_${positions}`,
      `$KV.${positions}.${node}.>`
    ],
    subscribe: [`${inboxOf(net, node)}.>`]
  }
}

/**
 * The bucket that the directory of a network is in, by the network's token.
 *
 * @category constructors
 * @since 0.2.0
 */
export const bucket = (networkToken: string): string => `pnet_${networkToken}`
