/** What the page knows, as signals: what shows one is drawn anew when it changes. Only `link.ts` writes what the node says into it. */
import type { Event, Hello, Peer, Topic } from "@pnet/console/ConsoleApi"
import { computed, signal } from "@preact/signals"
import { read, type Route } from "../route.ts"
import * as Network from "./network.ts"
import * as Rates from "./rates.ts"
import type { Calls } from "./spans.ts"

// --- the connection --------------------------------------------------------------------------------------------------------------

export type Connection =
  | { readonly state: "connecting" }
  | { readonly state: "open" }
  /** It will be tried again. `refused`: the node answers, and does not let this page in. */
  | { readonly state: "lost"; readonly since: number; readonly refused: boolean }

export const connection = signal<Connection>({ state: "connecting" })
/** Counts the connections: what asks for something asks anew with each. */
export const epoch = signal(0)
export const isOpen = computed(() => connection.value.state === "open")
export const hello = signal<Hello | undefined>(undefined)
/** When the node was started anew while this page was open. */
export const restarted = signal<number | undefined>(undefined)

// --- what the node says ----------------------------------------------------------------------------------------------------------

export const network = signal<Network.Network>(Network.nothing)
export const rates = signal<Rates.Kept>(Rates.none)
export const calls = signal<Calls>([])
export const topics = signal<ReadonlyArray<Topic> | undefined>(undefined)
/** The last first. */
export const events = signal<ReadonlyArray<Event>>([])
const mostEvents = 1_000

export const peers = computed(() => network.value.peers)
export const byKey = computed(() => new Map([...peers.value.values()].map((peer) => [peer.key, peer])))
/** Several where a name is in conflict. */
export const byName = computed(() => {
  const all = new Map<string, Array<Peer>>()
  for (const peer of peers.value.values()) {
    const list = all.get(peer.name)
    if (list === undefined) all.set(peer.name, [peer])
    else list.push(peer)
  }
  return all
})
export const conflicts = computed(() => network.value.conflicts)
export const findings = computed(() => network.value.findings)
/** What was found when somebody last looked, beside how much the node said by itself then. */
export const looked = signal<{ readonly findings: number; readonly wrong: number } | undefined>(undefined)
/** How many things are to be looked at, as far as is known. */
export const wrong = computed(() =>
  conflicts.value.length + (looked.value?.findings === findings.value ? looked.value.wrong : findings.value)
)
/** How many there are besides the node itself. */
export const peerCount = computed(() => network.value.count)
export const acts = computed(() => hello.value?.act === true)

export const withEvents = (
  before: ReadonlyArray<Event>,
  more: ReadonlyArray<Event>
): ReadonlyArray<Event> => {
  const newest = before[0]?.id ?? -1
  const fresh = more.filter(({ id }) => id > newest)
  return fresh.length === 0 ? before : [...fresh.reverse(), ...before].slice(0, mostEvents)
}

/** Forgets what was of a node that is no more. */
export const forget = (): void => {
  network.value = { ...Network.nothing, shape: network.value.shape + 1 }
  rates.value = Rates.none
  calls.value = []
  events.value = []
  topics.value = undefined
  looked.value = undefined
}

// --- the page --------------------------------------------------------------------------------------------------------------------

export const route = signal<Route>(read(""))
/** The time, once a second while the page is looked at. */
export const now = signal(Date.now())
export const helps = signal(false)
/** What is said to who does not see the page. */
export const spoken = signal("")

// --- how it looks ----------------------------------------------------------------------------------------------------------------

export type Theme = "system" | "light" | "dark"
export const theme = signal<Theme>("system")
/** Counts up when colours change, for what is drawn and not styled. */
export const colours = signal(0)

// --- what was done ---------------------------------------------------------------------------------------------------------------

export interface Notice {
  readonly id: number
  readonly kind: "done" | "failed"
  readonly text: string
  readonly hint?: string | undefined
}
export const notices = signal<ReadonlyArray<Notice>>([])
let lastNotice = 0
export const dismiss = (id: number): void => {
  notices.value = notices.value.filter((one) => one.id !== id)
}
export const notify = (kind: Notice["kind"], text: string, hint?: string): void => {
  const id = ++lastNotice
  notices.value = [...notices.value.slice(-3), { id, kind, text, hint }]
  if (kind === "done") setTimeout(() => dismiss(id), 5_000)
}
