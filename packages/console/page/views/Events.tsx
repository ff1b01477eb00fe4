/** What happened to peers, the last first. */
import type { Event } from "@pnet/console/ConsoleApi"
import { useMemo } from "preact/hooks"
import { look } from "../go.ts"
import { Clock, Empty, Name, peerLink, Picture, Said, SearchBox, Since } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { useMore } from "../parts/more.tsx"
import { events, route } from "../store/state.ts"
import { count, several } from "../text.ts"

const kinds: Readonly<Record<Event["kind"], readonly [colour: string, word: string]>> = {
  joined: ["good", "Came"],
  returned: ["good", "Answers again"],
  restarted: ["note", "Started anew"],
  updated: ["", "Changed"],
  suspected: ["warn", "Not answering"],
  left: ["", "Left"],
  lost: ["bad", "Lost"],
  conflict: ["bad", "Conflict"],
  acted: ["accent", "Decided here"],
  missed: ["warn", "Missed"]
}

const groups = {
  "": () => true,
  coming: ({ kind }: Event) => ["joined", "left", "lost", "restarted"].includes(kind),
  trouble: ({ kind }: Event) => ["suspected", "returned", "lost", "conflict", "missed"].includes(kind),
  acted: ({ kind }: Event) => kind === "acted"
} as const

const Row = ({ event }: { readonly event: Event }) =>
  useMemo(() => {
    const [colour, word] = kinds[event.kind]
    return (
      <li class="event" data-kind={event.kind}>
        <span class="event-time faint small">
          <Clock at={event.at} />
        </span>
        <span class="event-kind">
          <span class={`badge ${colour}`}>{word}</span>
        </span>
        <span class="event-peer">
          {event.peer !== undefined && (
            <a class="person-line" href={peerLink(event.peer.key)}>
              <Picture of={event.peer.key} size={20} />
              <Name text={event.peer.name} most={48} />
            </a>
          )}
        </span>
        <span class="event-text quiet break">
          <Said text={event.text} most={300} />
          {event.reason !== undefined && (
            <span class="faint">
              {" · "}
              <Said text={event.reason} most={80} />
            </span>
          )}
        </span>
        <span class="event-ago faint small number">
          <Since at={event.at} />
        </span>
      </li>
    )
  }, [event])

export const EventsView = () => {
  const { kind = "", q: text = "" } = route.value.query
  const group = Object.hasOwn(groups, kind) ? kind as keyof typeof groups : ""
  const list = useMemo(() => {
    const word = text.toLowerCase()
    return events.value.filter((event) =>
      groups[group](event) && `${event.peer?.name ?? ""}\n${event.text}\n${event.kind}`.toLowerCase().includes(word)
    )
  }, [events.value, group, text])
  const [shown, more] = useMore(list.length, "events")
  return (
    <>
      <div class="view-head">
        <div>
          <h1>Events</h1>
          <p>What happened to peers while this console was looked at: {several(events.value.length, "event")}</p>
        </div>
      </div>
      <div class="view-tools">
        <SearchBox label="Search events" text={text} onText={(q) => look({ q })} />
        <div class="segments" role="group" aria-label="Which">
          {([["", "All"], ["coming", "Coming and going"], ["trouble", "Trouble"], ["acted", "Decided here"]] as const)
            .map(([value, label]) => (
              <button
                type="button"
                key={value}
                aria-pressed={group === value}
                onClick={() => look({ kind: value })}
              >
                {label}
              </button>
            ))}
        </div>
      </div>
      <div class="card">
        {list.length === 0
          ? (
            <Empty
              icon={<Icon.Pulse />}
              title={events.value.length === 0 ? "Nothing has happened yet" : "Nothing like that has happened"}
            >
              {events.value.length === 0
                ? "Peers that come, leave, or stop to answer are told of here."
                : `${count(events.value.length)} events are of another kind.`}
            </Empty>
          )
          : <ol class="events">{list.slice(0, shown).map((event) => <Row key={event.id} event={event} />)}</ol>}
        {more}
      </div>
    </>
  )
}
