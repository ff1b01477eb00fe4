/** What is wrong with the machine and its network, and what to do about it. */
import type { Finding } from "@pnet/console/ConsoleApi"
import { useSignalEffect } from "@preact/signals"
import { useEffect, useRef } from "preact/hooks"
import { useAsked } from "../parts/asked.ts"
import { Empty, Failed, Said } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { conflicts, findings, looked, wrong } from "../store/state.ts"
import { plain, several } from "../text.ts"
import { ConflictCard } from "./Conflict.tsx"

const severities: Readonly<Record<Finding["severity"], readonly [colour: string, word: string]>> = {
  error: ["bad", "In the way"],
  warning: ["warn", "Look at it"],
  info: ["", "To know"],
  ok: ["good", "All right"]
}
const order = ["error", "warning", "info", "ok"] as const

let before: ReadonlyArray<Finding> | undefined

const Found = ({ of }: { readonly of: Finding }) => {
  const [colour, word] = severities[of.severity]
  return (
    <li class="finding" data-finding={of.tag}>
      <span class="finding-badge">
        <span class={`badge ${colour}`}>{word}</span>
      </span>
      <div class="finding-text">
        <p class="break">
          <Said text={of.message} lines most={1_000} />
        </p>
        {of.remedy !== "" && (
          <p class="quiet break">
            <Said text={of.remedy} lines most={1_000} />
          </p>
        )}
        {of.see !== undefined && (
          <p class="small faint">
            Explained by <code>pnet why {plain(of.see.split("#")[1] ?? of.tag, 60)}</code>
          </p>
        )}
      </div>
    </li>
  )
}

export const HealthView = () => {
  const asked = useAsked("health", (client) => client.diagnose())
  const last = useRef(findings.value)
  useSignalEffect(() => {
    if (findings.value !== last.current) asked.again()
    last.current = findings.value
  })
  if (asked.value !== undefined) before = asked.value
  const list = [...asked.value ?? before ?? []].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
  const known = asked.value !== undefined || before !== undefined
  useEffect(() => {
    if (asked.value === undefined) return
    const wrong = asked.value.filter(({ severity }) => severity === "error" || severity === "warning").length
    looked.value = { findings: findings.peek(), wrong }
  }, [asked.value])
  return (
    <>
      <div class="view-head">
        <div>
          <h1>Health</h1>
          <p>
            {!known
              ? "Looking at the machine and its network, which takes some seconds"
              : wrong.value === 0
              ? "Nothing keeps nodes from finding each other"
              : `${several(wrong.value, "thing")} to look at`}
          </p>
        </div>
        <button type="button" class="button" disabled={asked.busy} onClick={asked.again}>
          {asked.busy ? "Looking" : "Look again"}
        </button>
      </div>
      {conflicts.value.map((conflict) => <ConflictCard key={conflict.name} of={conflict} />)}
      {asked.failure !== undefined && <Failed failure={asked.failure} />}
      <div class="card">
        {list.length === 0
          ? (
            <Empty icon={<Icon.Heart />} title={known ? "There is nothing to tell" : "Looking"}>
              {known
                ? "The machine and its network are as they should be."
                : "Sockets, interfaces, clocks and limits of this machine are tried."}
            </Empty>
          )
          : <ul class="findings">{list.map((one, i) => <Found key={`${one.tag} ${i}`} of={one} />)}</ul>}
      </div>
    </>
  )
}
