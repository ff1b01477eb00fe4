/** Topics that somebody subscribes to, and the last values of one. */
import type { Row, Topic } from "@pnet/console/ConsoleApi"
import { useEffect, useMemo, useState } from "preact/hooks"
import { go, look } from "../go.ts"
import { useAsked, useFollowed } from "../parts/asked.ts"
import { Clock, Empty, Failed, Name, peerLink, Picture, Said, SearchBox, Value } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { useMore } from "../parts/more.tsx"
import { write } from "../route.ts"
import { noRows, rowId, type Table, withRows } from "../store/rows.ts"
import { byName, peers, route, topics } from "../store/state.ts"
import { compareNames, count, plain, several } from "../text.ts"

export const TopicsView = () => {
  const { q: text = "", topic = "" } = route.value.query
  // Who subscribes to what is a part of what is known of peers.
  const subscribed = useMemo(
    () => [...peers.value.values()].map(({ id, topicCount }) => `${id}:${topicCount}`).join(),
    [peers.value]
  )
  const asked = useAsked("topics", (client) => client.topics())
  useEffect(() => {
    const timer = setTimeout(asked.again, 1_000)
    return () => clearTimeout(timer)
  }, [subscribed])
  if (asked.value !== undefined && topics.value !== asked.value) topics.value = asked.value
  const all = topics.value ?? []
  const word = text.toLowerCase()
  const list = all.filter((one) => one.topic.toLowerCase().includes(word))
  const [shown, more] = useMore(list.length, "topics")
  return (
    <>
      <div class="view-head">
        <div>
          <h1>Topics</h1>
          <p>
            {topics.value === undefined
              ? "Asking for topics"
              : `${several(all.length, "topic")} that somebody listens to`}
          </p>
        </div>
      </div>
      <div class={`topic-columns ${topic === "" ? "" : "one-is-chosen"}`}>
        <div class="card topic-list">
          <div class="card-head">
            <SearchBox label="Search, or name a topic" text={text} onText={(q) => look({ q })} />
          </div>
          {text !== "" && !all.some((one) => one.topic === text) && (
            <button
              type="button"
              class="topic-item"
              onClick={() => look({ topic: text, q: "" })}
            >
              <span class="topic-name">
                Look at <Said text={text} />
              </span>
            </button>
          )}
          {list.length === 0 && text === ""
            ? (
              <Empty icon={<Icon.Tray />} title="Nobody listens to a topic">
                Topics that peers subscribe to are here, with what was published last. Any other can be named above.
              </Empty>
            )
            : (
              <ul>
                {list.slice(0, shown).map((one) => <Item key={one.topic} of={one} chosen={one.topic === topic} />)}
              </ul>
            )}
          {more}
        </div>
        {topic === ""
          ? (
            <div class="card topic-empty">
              <Empty icon={<Icon.List />} title="Choose a topic">
                Its last values are shown, and change as they are published.
              </Empty>
            </div>
          )
          : <Live key={topic} topic={topic} known={all.find((one) => one.topic === topic)} />}
      </div>
    </>
  )
}

const Item = ({ chosen, of }: { readonly of: Topic; readonly chosen: boolean }) => (
  <li>
    <a
      class={`topic-item ${chosen ? "chosen" : ""}`}
      href={write("topics", undefined, { topic: of.topic })}
      aria-current={chosen ? "true" : undefined}
    >
      <span class="topic-name mono">
        <Said text={of.topic} />
      </span>
      <span class="topic-end">
        {of.pattern && <span class="badge">pattern</span>}
        <span class="faint small nowrap">{count(of.subscriberCount)} listening</span>
      </span>
    </a>
  </li>
)

/** They stay where they are while their values change. */
const ordered = (a: Row, b: Row): number =>
  compareNames(a.topic, b.topic) || compareNames(a.from.name, b.from.name) || compareNames(a.key, b.key) ||
  (rowId(a) < rowId(b) ? -1 : 1)

const TableRow = ({ row, several }: { readonly row: Row; readonly several: boolean }) =>
  useMemo(() => (
    <tr data-row={plain(row.key)}>
      {several && (
        <td class="mono">
          <Said text={row.topic} />
        </td>
      )}
      <td>
        <a class="person-line" href={peerLink(row.from.key)}>
          <Picture of={row.from.key} size={20} />
          <Name text={row.from.name} most={32} />
        </a>
      </td>
      <td class="mono break">{row.key === "" ? <span class="faint">–</span> : <Said text={row.key} />}</td>
      <td class="cell-value">
        {row.value === undefined ? <Said text={row.text ?? ""} lines most={500} /> : <Value of={row.value} compact />}
      </td>
      <td class="number quiet">
        <Clock at={row.at} />
      </td>
    </tr>
  ), [row, several])

const Live = ({ known, topic }: { readonly topic: string; readonly known: Topic | undefined }) => {
  const [table, setTable] = useState<Table | undefined>(undefined)
  const failure = useFollowed(
    topic,
    (client) => client.table({ topic }),
    () => setTable(noRows),
    (list) => setTable((before) => list.reduce(withRows, before ?? noRows))
  )
  const rows = useMemo(
    () => [...table?.rows.values() ?? []].sort(ordered),
    [table]
  )
  const isPattern = /[*>#+]/.test(topic)
  const [shown, more] = useMore(rows.length, "rows")
  return (
    <div class="card topic-live">
      <div class="card-head">
        <h2 class="mono break">
          <Said text={topic} />
        </h2>
        <button type="button" class="button plain icon tiny" aria-label="Close" onClick={() => go(write("topics"))}>
          <Icon.Close />
        </button>
      </div>
      <div class="topic-facts">
        <span>{table === undefined ? "Listening" : `${several(table.count, "value")} now`}</span>
        <span>{count(table?.published ?? 0)} published since you look</span>
        {(table?.missed ?? 0) > 0 && <span class="badge warn">{count(table!.missed)} missed</span>}
      </div>
      {known !== undefined && known.subscribers.length > 0 && (
        <div class="subscribers">
          <span class="faint small">Listening</span>
          {known.subscribers.slice(0, 12).map(({ group, mode, peer }) => {
            const key = byName.value.get(peer)?.[0]?.key
            const name = (
              <>
                <Said text={peer} most={40} />
                {group !== undefined && (
                  <span class="faint">
                    in <Said text={group} most={24} />
                  </span>
                )}
              </>
            )
            return key === undefined
              ? <span class="badge outline" key={`${peer} ${mode} ${group}`} title={plain(mode)}>{name}</span>
              : (
                <a class="badge outline" key={`${peer} ${mode} ${group}`} title={plain(mode)} href={peerLink(key)}>
                  {name}
                </a>
              )
          })}
          {known.subscriberCount > 12 && <span class="faint small">and {count(known.subscriberCount - 12)} more</span>}
        </div>
      )}
      {failure !== undefined && (
        <div class="card-body">
          <Failed failure={failure} />
        </div>
      )}
      {rows.length === 0
        ? (
          <Empty title={table === undefined ? "Waiting for the first value" : "It has no value now"}>
            Values that are published from now on are shown here, the last one of each publisher and key.
          </Empty>
        )
        : (
          <div class="table-wrap">
            <table class="table values">
              <caption class="unseen">Last values</caption>
              <thead>
                <tr>
                  {isPattern && <th scope="col">Topic</th>}
                  <th scope="col">From</th>
                  <th scope="col">Key</th>
                  <th scope="col">Value</th>
                  <th scope="col" class="number">Published</th>
                </tr>
              </thead>
              <tbody>
                {rows.slice(0, shown).map((row) => <TableRow key={rowId(row)} row={row} several={isPattern} />)}
              </tbody>
            </table>
          </div>
        )}
      {more}
    </div>
  )
}
