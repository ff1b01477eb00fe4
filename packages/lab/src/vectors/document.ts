/** What `docs/vectors.json` holds, where it is, and how bytes are written in it. */
import type * as Packet from "@pnet/core/Packet"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Bytes, hexOf, ofHex, textOf, utf8 } from "./bytes.ts"
import type * as CertificateVectors from "./certificates.ts"
import type * as CommandVectors from "./commands.ts"
import type * as CrowdVectors from "./crowdDocument.ts"
import type * as FileVectors from "./files.ts"
import type * as FrameVectors from "./frames.ts"
import type * as FreshnessVectors from "./freshness.ts"
import type * as HandshakeVectors from "./handshakeSection.ts"
import type * as KeptVectors from "./keptDocument.ts"
import type * as LinkVectors from "./links.ts"
import type * as MailVectors from "./mailDocument.ts"
import type * as NatsVectors from "./nats.ts"
import type * as OfferVectors from "./offers.ts"
import type { Rule } from "./rules.ts"
import type * as TopicVectors from "./topics.ts"
import type * as TypedVectors from "./typed.ts"

export type { Bytes, Part } from "./bytes.ts"

export interface Receiver {
  readonly node: string
  readonly networkId: string
  readonly networkKeys: ReadonlyArray<string>
  readonly carrier: string
  readonly clock: number
  readonly start: number
  readonly last?: number
  readonly asked?: { readonly node: string; readonly stamp: number }
}

/** What a packet says. */
export type Content =
  | {
    readonly type: "adv"
    readonly publicKey: string
    readonly name: string
    readonly host: string
    readonly port: number
    readonly timestamp?: number
  }
  | {
    readonly type: "msg" | "rsp"
    readonly publicKey: string
    readonly name: string
    readonly stamp: number
    readonly payload: string
  }
  | { readonly type: "err"; readonly publicKey: string | null; readonly code: string }

export interface Vector {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly receiver: Receiver
  readonly steps?: Readonly<Record<string, string | number>>
  readonly packet: Bytes
  readonly result?: Content
  readonly error?: string
}

export interface Document {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly nodes: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly sharedKeys: Readonly<Record<string, string>>
  readonly networkKeys: Readonly<Record<string, string>>
  readonly carriers: Readonly<
    Record<string, { readonly types: ReadonlyArray<Packet.PacketType>; readonly maxLength: number }>
  >
  readonly valid: ReadonlyArray<Vector>
  readonly invalid: ReadonlyArray<Vector>
  readonly freshness: FreshnessVectors.Section
  readonly handshake: HandshakeVectors.Section
  readonly frames: FrameVectors.Section
  readonly commands: CommandVectors.Section
  readonly typed: TypedVectors.Section
  readonly derivedHosts: ReadonlyArray<DerivedVector>
  readonly crowd: CrowdVectors.Document
  readonly offers: OfferVectors.Section
  readonly topics: TopicVectors.Section
  readonly certificates: CertificateVectors.Section
  readonly files: FileVectors.Section
  readonly links: LinkVectors.Section
  readonly nats: NatsVectors.Section
  readonly mail: MailVectors.Section
  readonly kept: KeptVectors.Section
}

/** An address that stands for a key or a URL. */
export interface DerivedVector {
  readonly rule: Rule
  readonly kind: string
  readonly key?: string
  readonly url?: string
  /** What is hashed. */
  readonly text: string
  readonly host: string
}

export const path = fileURLToPath(new URL("../../../../docs/vectors.json", import.meta.url))

export const load = (): Document => JSON.parse(readFileSync(path, "utf8"))

export const print = (document: Document): string => `${JSON.stringify(document, null, 2)}\n`

export const bytesOf = ({ hex, parts, text }: Bytes): Uint8Array =>
  hex !== undefined
    ? ofHex(hex)
    : utf8(text ?? parts!.map(({ text, times }) => text.repeat(times)).join(""))

export const shown = (bytes: Uint8Array): Bytes => {
  const text = textOf(bytes)
  return text === undefined ? { hex: hexOf(bytes) } : { text }
}
