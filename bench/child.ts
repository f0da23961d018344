/**
 * One scenario, given as JSON in the first argument. Answers to the parent process, or prints the answer when
 * there is none: `node --cpu-prof --import tsx bench/child.ts JOB` profiles it.
 */
import process from 'node:process'
import { type Job, run } from './jobs.ts'

const job = JSON.parse(process.argv[2] ?? '') as Job // written by fresh-process.ts, or by hand
const answer = await run(job)
if (process.send === undefined) console.log(JSON.stringify(answer, undefined, 2))
else process.send(answer, () => process.disconnect())
