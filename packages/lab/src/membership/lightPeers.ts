/**
 * Peers that are light: thousands of them around few whole nodes, which are what is looked at. A light peer says and answers what a node of a
 * crowd does (protocol section 7, "A crowd"): its advert, answers to newcomers and to those who ask, questions to peers drawn by
 * chance, probes of those that are silent, names of those in doubt, and what one says who is named. It listens at a port of its own, and
 * answers probes. So whole nodes hear and carry what they would among whole ones, and their tables are as large.
 *
 * What a light peer does not have is a table: all know each other from the start, so that what they say to each other goes nowhere, and is
 * counted alone. What it is sent by whole nodes it hears through an interceptor, with the loss of the link.
 */
import type { Crypto } from "@pnet/core"
import { Advert, Network, Packet, PublicKey, TcpTransport } from "@pnet/core"
import * as Rate from "@pnet/core/internal/base/rate"
import * as CrowdPackets from "@pnet/core/internal/wire/crowdPackets"
import type { Endpoint } from "@pnet/core/Network"
import type { Transport } from "@pnet/core/Transport"
import type { SimNetwork } from "@pnet/testing"
import { Context, Effect, Result, type Scope } from "effect"
import { chance } from "../harness/chance.ts"
import { Agenda } from "./agenda.ts"

const networkId = "pnet" as Packet.NetworkId
const broadcastAddress = "10.0.255.255:3334"
const isBroadcast = (to: string) => to.endsWith(".255:3334")

// As nodes have them, in milliseconds.
const interval = 2_500
const slice = 500
const perSlice = 0.6
const questions = 3
const toldAfter = 3 * slice
const lostAfter = 7 * slice
const answersInCrowd = 16
const answersPerSecond = 10
const toldPerSecond = 32
const refutedWithin = 250
const refutedAgain = 300
const refutedFor = 2_000
const askedAgain = 700
const askedMemory = 3_000
const doubtedFor = 10_000
const echoes = 5

/** What is counted of all that is sent. */
export interface Sent {
  broadcasts: number
  unicasts: number
  asks: number
  connections: number
}

export interface Options {
  readonly seed: number
  readonly count: number
  readonly loss: number
  /** Of a hundred broadcasts so many are dropped by the switch, for all. */
  readonly dropped: number
  readonly broadcastBudget: number
  readonly network: SimNetwork.SimNetwork["Service"]
  readonly crypto: Crypto.Crypto["Service"]
  readonly sent: Sent
}

interface Light {
  readonly index: number
  readonly publicKey: PublicKey.PublicKey
  readonly key: Uint8Array
  readonly process: SimNetwork.Process<never>
  readonly transport: Transport["Service"]
  /** Where its private socket would be. */
  readonly socket: string
  readonly text: string
  readonly advert: Uint8Array
  readonly answers: Rate.Rate
  readonly told: Rate.Rate
  frozenUntil: number
  refutedAt: number
}

/** A whole node, as the light ones know it. */
class Whole {
  readonly publicKey: PublicKey.PublicKey
  /** When each of the light ones heard it first. */
  readonly knownAt: Float64Array
  /** Those that have asked it and wait. */
  readonly waiting = new Set<Light>()
  /** Those in doubt, which have not heard it since. */
  inDoubt = new Set<Light>()
  socket = ""
  endpoint: Endpoint = { host: "", port: 0 }
  isDead = false
  isGone = false
  leftAt = 0

  constructor(publicKey: PublicKey.PublicKey, count: number) {
    this.publicKey = publicKey
    this.knownAt = new Float64Array(count).fill(Infinity)
  }
}

const textOf = (text: string) => new TextEncoder().encode(text)

export class LightPeers {
  readonly #options: Options
  readonly #lights: ReadonlyArray<Light>
  readonly #byPlace = new Map<string, Light>()
  readonly #byKey = new Map<PublicKey.PublicKey, Light>()
  readonly #wholes = new Map<PublicKey.PublicKey, Whole>()
  readonly #agenda = new Agenda()
  readonly #chance
  readonly #air: SimNetwork.Host
  /** Of what is broadcast: adverts, and names. */
  readonly #adverts: Rate.Rate
  readonly #asks: Rate.Rate
  readonly #asked = new Map<PublicKey.PublicKey, { at: number; times: number }>()
  readonly #doubted = new Map<PublicKey.PublicKey, number>()
  #overAt = -Infinity
  #questions = 0
  /** How often one of them asked a whole node by a connection, and how often it was frozen. */
  readonly did = { probes: 0, pauses: 0 }

  private constructor(options: Options, air: SimNetwork.Host, lights: ReadonlyArray<Light>) {
    this.#options = options
    this.#air = air
    this.#lights = lights
    this.#chance = chance(options.seed, "light peers")
    this.#adverts = Rate.make(2 * options.broadcastBudget)
    this.#asks = Rate.make(options.broadcastBudget)
    for (const light of lights) {
      this.#byPlace.set(light.socket, light)
      this.#byKey.set(light.publicKey, light)
    }
  }

  /** So many of them, which are there from now on, and know each other. */
  static make(options: Options): Effect.Effect<LightPeers, never, Scope.Scope> {
    const { count, crypto, network } = options
    return Effect.gen(function*() {
      const lights = yield* Effect.forEach(
        Array.from({ length: count }, (_, i) => i),
        (index) =>
          Effect.gen(function*() {
            const host = yield* network.host(`light${index}`)
            const process = yield* host.process
            const transport = TcpTransport.make(Context.get(process.context, Network.Network), {
              bindIp: "0.0.0.0",
              serverPort: 0,
              dialTimeout: "3 seconds"
            })
            const listener = yield* Effect.orDie(process.run(transport.listen))
            const { publicKey } = crypto.generateKeyPair()
            const { port } = listener.endpoint
            const text = Advert.encode({ name: `light${index}` as Packet.NodeName, host: host.address, port })
            const advert = Packet.encode({ networkId, type: "adv", content: text, publicKey })
            yield* Effect.forkScoped(process.run(listener.run((connection) =>
              Effect.ignore(Effect.gen(function*() {
                yield* connection.pull
                yield* connection.write(advert)
                yield* connection.pull
              }))
            )))
            return {
              index,
              publicKey,
              key: PublicKey.toBytes(publicKey),
              process,
              transport,
              socket: `${host.address}:5000`,
              text: new TextDecoder().decode(text),
              advert,
              answers: Rate.make(answersPerSecond),
              told: Rate.make(toldPerSecond),
              frozenUntil: 0,
              refutedAt: -Infinity
            } satisfies Light
          })
      )
      const all = new LightPeers(options, yield* network.host("air"), lights)
      yield* network.intercept(({ from, payload, protocol, to }) => {
        if (protocol === "udp") all.#heard(payload, from, to)
        return "pass"
      })
      for (const light of lights) all.#advertise(light, all.#chance.next() * all.#interval)
      yield* Effect.forkScoped(all.#agenda.keep((millis) => all.#draw(millis)))
      return all
    })
  }

  get size(): number {
    return this.#lights.length
  }

  /** A whole node has no power any more. */
  crashed(publicKey: PublicKey.PublicKey): void {
    const whole = this.#wholes.get(publicKey)
    if (whole !== undefined) whole.isDead = true
  }

  /** How many have heard of a whole node by now. */
  know(publicKey: PublicKey.PublicKey): number {
    const at = this.#agenda.now
    return this.#wholes.get(publicKey)?.knownAt.reduce((sum, each) => sum + Number(each <= at), 0) ?? 0
  }

  /** Freezes each for so many milliseconds, again and again, about once a minute. */
  freeze(millis: number): void {
    const { agenda, chance } = { agenda: this.#agenda, chance: this.#chance }
    const next = (light: Light) =>
      agenda.after(18_000 + chance.next() * 80_000, () => {
        this.did.pauses++
        light.frozenUntil = agenda.now + millis
        agenda.run(light.process.pause)
        agenda.after(millis, () => {
          agenda.run(light.process.resume)
          next(light)
        })
      })
    for (const light of this.#lights) next(light)
  }

  // --- what they say -----------------------------------------------------------------------------------------------------------

  /** How many there are in all. */
  get #all(): number {
    let wholes = 0
    for (const { isGone } of this.#wholes.values()) if (!isGone) wholes++
    return this.#lights.length + wholes
  }

  get #interval(): number {
    return Math.max(interval, this.#all / this.#options.broadcastBudget * 1_000)
  }

  get #isLost(): boolean {
    return this.#chance.chance(this.#options.loss)
  }

  #jittered(millis: number): number {
    return millis * (0.9 + 0.2 * this.#chance.next())
  }

  /** Does something when it is not frozen. */
  #awake(light: Light, act: () => void): void {
    const wait = light.frozenUntil - this.#agenda.now
    if (wait > 0) this.#agenda.after(wait, act)
    else act()
  }

  #send(light: Light, to: string, payload: Uint8Array): void {
    const { network } = this.#options
    this.#agenda.run(network.inject(this.#air, { from: light.socket, to, payload }))
  }

  /** Whether it was not dropped by the switch. */
  #broadcast(light: Light, payload: Uint8Array): boolean {
    const { dropped, sent } = this.#options
    sent.broadcasts++
    if (this.#chance.chance(dropped)) return false
    this.#send(light, broadcastAddress, payload)
    return true
  }

  #unicast(light: Light, to: string, payload: Uint8Array): void {
    this.#options.sent.unicasts++
    this.#send(light, to, payload)
  }

  #advertise(light: Light, wait: number): void {
    this.#agenda.after(wait, () =>
      this.#awake(light, () => {
        this.#sayAdvert(light)
        this.#advertise(light, this.#jittered(this.#interval))
      }))
  }

  #sayAdvert(light: Light): void {
    this.#countAdvert()
    this.#broadcast(light, light.advert)
  }

  #countAdvert(): void {
    const { now } = this.#agenda
    if (!this.#adverts.take(now)) this.#overAt = now
  }

  /** One who is named says that it is there. */
  #refute(light: Light, always: boolean): void {
    const agenda = this.#agenda
    const isOver = () => !always && agenda.now - this.#overAt < 1_000
    if (agenda.now - light.refutedAt < refutedFor || isOver()) return
    light.refutedAt = agenda.now
    const say = () => {
      if (!isOver()) this.#sayAdvert(light)
    }
    const first = this.#chance.next() * refutedWithin
    agenda.after(first, say)
    agenda.after(first + this.#jittered(refutedAgain), say)
  }

  /** Names one that it is in doubt about. */
  #name(light: Light, whole: Whole): void {
    const agenda = this.#agenda
    const { sent } = this.#options
    const isToName = (enough: number) => {
      const asked = this.#asked.get(whole.publicKey)
      return asked === undefined || agenda.now - asked.at >= askedMemory || asked.times < enough
    }
    const say = (enough: number) => {
      if (!isToName(enough)) return
      const payload = Packet.encode({
        networkId,
        type: "ask",
        content: textOf(whole.publicKey),
        publicKey: light.publicKey
      })
      sent.asks++
      if (this.#broadcast(light, payload)) this.#named(whole.publicKey)
    }
    agenda.after(50 + 100 * this.#chance.next(), () => {
      if (!this.#asks.take(agenda.now)) return
      say(2)
      agenda.after(this.#jittered(askedAgain), () => say(3))
    })
  }

  // --- what they ask -----------------------------------------------------------------------------------------------------------

  /** Each asks some, drawn by chance: those of all in so many milliseconds. */
  #draw(millis: number): void {
    const { sent } = this.#options
    if (this.#interval <= interval) return
    const all = [...this.#wholes.values()].filter(({ isGone, leftAt }) => !isGone && leftAt === 0)
    this.#questions += this.#lights.length * perSlice * millis / slice
    for (; this.#questions >= 1; this.#questions--) {
      const drawn = this.#chance.below(this.#lights.length + all.length)
      if (drawn < all.length) this.#ask(this.#chance.pick(this.#lights), all[drawn]!, questions)
      else sent.unicasts += this.#isLost ? 1 : 2
    }
  }

  /** Asks a whole node so often; then it is suspect. */
  #ask(light: Light, whole: Whole, left: number): void {
    if (light.frozenUntil > this.#agenda.now) return
    whole.waiting.add(light)
    if (whole.isDead) this.#options.sent.unicasts++
    else {
      const content = textOf(`,${light.text}`)
      this.#unicast(
        light,
        whole.socket,
        Packet.encode({ networkId, type: "who", content, publicKey: light.publicKey })
      )
    }
    this.#agenda.after(slice, () => {
      if (!whole.waiting.has(light) || whole.leftAt > 0) return
      if (left > 1) this.#ask(light, whole, left - 1)
      else this.#probe(light, whole)
    })
  }

  #probe(light: Light, whole: Whole): void {
    this.did.probes++
    if (!whole.isDead) {
      for (const wait of [0, slice, 2 * slice]) {
        this.#agenda.after(wait, () => {
          if (whole.waiting.has(light)) this.#agenda.run(this.#dial(light, whole))
        })
      }
    }
    this.#agenda.after(toldAfter, () => {
      if (whole.waiting.delete(light) && whole.leftAt === 0 && !this.#isDoubted(whole.publicKey)) {
        this.#name(light, whole)
      }
    })
  }

  #dial(light: Light, whole: Whole): Effect.Effect<unknown> {
    this.#options.sent.connections++
    const exchange = Effect.gen(function*() {
      const connection = yield* light.transport.dial(whole.endpoint)
      yield* connection.write(light.advert)
      yield* connection.pull
      whole.waiting.delete(light)
    })
    return Effect.forkDetach(light.process.run(Effect.ignore(Effect.scoped(Effect.timeoutOption(exchange, lostAfter)))))
  }

  #isDoubted(publicKey: PublicKey.PublicKey): boolean {
    const at = this.#doubted.get(publicKey)
    return at !== undefined && this.#agenda.now - at < doubtedFor
  }

  // --- what they hear ----------------------------------------------------------------------------------------------------------

  #heard(payload: Uint8Array, from: string, to: string): void {
    const light = isBroadcast(to) ? undefined : this.#byPlace.get(to)
    if (light === undefined && !isBroadcast(to)) return
    if (this.#chance.chance(light === undefined ? this.#options.dropped : this.#options.loss)) return
    const decoded = Packet.decode(payload, {
      networkId,
      types: ["adv", "who", "ask"],
      maxLength: Packet.maxDatagramLength
    })
    if (Result.isFailure(decoded)) return
    const { content, publicKey, type } = decoded.success
    if (publicKey === null) return
    const text = new TextDecoder().decode(content)
    const on = (act: () => void) => this.#agenda.after(1 + 4 * this.#chance.next(), act)
    if (light !== undefined) {
      return on(() =>
        this.#awake(light, () => {
          if (type === "adv") this.#wholes.get(publicKey)?.waiting.delete(light)
          else if (type === "who" && light.told.take(this.#agenda.now)) this.#unicast(light, from, light.advert)
          else if (type === "who") this.#refute(light, true)
        })
      )
    }
    on(() => {
      if (type === "ask") return this.#named(...text.split(",") as Array<PublicKey.PublicKey>)
      const advert = Result.getOrThrow(Advert.decode(textOf(text.slice(text.indexOf(",") + 1))))
      this.#heardOf(publicKey, advert, from, type === "who" ? text.slice(0, text.indexOf(",")) : undefined)
    })
  }

  /** A whole node says its advert to all, or asks all. */
  #heardOf(publicKey: PublicKey.PublicKey, advert: Advert.Advert, from: string, request: string | undefined): void {
    const { now } = this.#agenda
    const whole = this.#wholes.get(publicKey) ?? new Whole(publicKey, this.#lights.length)
    this.#wholes.set(publicKey, whole)
    this.#countAdvert()
    if (advert.port === 0) {
      whole.leftAt = now
      whole.isGone = true
      return
    }
    whole.socket = from
    whole.endpoint = { host: advert.host, port: advert.port }
    const asked = request === undefined ? undefined : CrowdPackets.requestOf(Buffer.from(request, "base64url"))
    for (const light of this.#lights) {
      if (this.#isLost || light.frozenUntil > now) continue
      whole.waiting.delete(light)
      whole.inDoubt.delete(light)
      if (whole.knownAt[light.index] === Infinity) {
        whole.knownAt[light.index] = now
        if (this.#interval > interval ? this.#chance.chance(answersInCrowd / this.#all) : true) {
          if (light.answers.take(now)) this.#unicast(light, from, light.advert)
          if (this.#interval > interval) this.#ask(light, whole, questions)
        }
      }
      if (asked === undefined || !CrowdPackets.isFor(asked, light.key) || !light.answers.take(now)) continue
      const within = Math.min(600, this.#all / asked.slices / 4)
      this.#agenda.after(within * this.#chance.next(), () => this.#unicast(light, from, light.advert))
    }
  }

  /** Somebody names some. */
  #named(...keys: ReadonlyArray<PublicKey.PublicKey>): void {
    const agenda = this.#agenda
    this.#asks.take(agenda.now)
    for (const key of keys) {
      const last = this.#asked.get(key)
      const times = last !== undefined && agenda.now - last.at < askedMemory ? last.times + 1 : 1
      this.#asked.set(key, { at: agenda.now, times })
      const light = this.#byKey.get(key)
      if (light !== undefined && !this.#isLost) this.#awake(light, () => this.#refute(light, false))
      const whole = this.#wholes.get(key)
      if (this.#isDoubted(key) || whole === undefined || whole.leftAt > 0) continue
      this.#doubted.set(key, agenda.now)
      this.#doubt(whole)
    }
  }

  /** All are in doubt about a whole node, and give it a slice to say that it is there. */
  #doubt(whole: Whole): void {
    const agenda = this.#agenda
    whole.inDoubt = new Set(this.#lights.filter(() => !this.#isLost))
    for (const light of whole.inDoubt) {
      agenda.after(slice * (1 + this.#chance.next()), () => {
        if (whole.inDoubt.delete(light)) this.#ask(light, whole, 1)
      })
    }
    if (!whole.isDead) return
    const each = echoes * this.#lights.length / this.#all
    const count = Math.floor(each) + Number(this.#chance.chance(each % 1))
    for (let i = 0; i < count; i++) {
      agenda.after(
        slice * (2 + this.#chance.next()) + lostAfter,
        () => this.#name(this.#chance.pick(this.#lights), whole)
      )
    }
    agenda.after(2 * slice + slice + lostAfter, () => {
      whole.isGone = true
    })
  }
}
