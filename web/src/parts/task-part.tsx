/** A message as a task: how far it is, what it came to, and what its handlers logged, attempt by attempt. */
import type { TaskInfo } from '../../../src/frontends/admin/api.ts'
import { get, seg } from '../client.ts'
import { useData } from '../data.ts'
import { clockTime, duration } from '../format.ts'

export function TaskPart({ id }: { readonly id: string }) {
  const { data: task } = useData((signal) => get<TaskInfo>(`/messages/${seg(id)}/task`, {}, signal), id, 700)
  if (task === undefined) return null
  const { state, progress, data, result, waitMs, runMs } = task
  const percent = progress === null ? '' : `${Math.round(progress * 100)} %`
  return (
    <section aria-label="Task">
      <h3>Task</h3>
      <p>
        {state}
        {percent !== '' && `, ${percent}`}
        {waitMs !== null && `, waited ${duration(waitMs)}`}
        {runMs !== null && `, ran ${duration(runMs)}`}
      </p>
      {progress !== null && <progress value={progress} aria-label={`${percent} done`} />}
      <Json title="Told with its progress" text={data} />
      <Json title="Result" text={result} />
      <Log log={task.log} />
    </section>
  )
}

function Json({ title, text }: { readonly title: string; readonly text: string | null }) {
  if (text === null) return null
  return (
    <>
      <h4>{title}</h4>
      <pre tabIndex={0}>{text}</pre>
    </>
  )
}

function Log({ log }: Pick<TaskInfo, 'log'>) {
  const attempts = [...new Set(log.map(({ attempt }) => attempt))]
  return (
    <>
      {attempts.map((attempt) => (
        <section key={attempt} aria-label={`Log of attempt ${attempt}`}>
          <h4>Log of attempt {attempt}</h4>
          <ol class="log mono">
            {log
              .filter((line) => line.attempt === attempt)
              .map(({ atMs, message }, at) => (
                <li key={`${atMs}/${at}`}>
                  <time dateTime={new Date(atMs).toISOString()}>{clockTime(atMs)}</time> {message}
                </li>
              ))}
          </ol>
        </section>
      ))}
    </>
  )
}
