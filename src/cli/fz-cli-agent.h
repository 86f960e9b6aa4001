/* fz-cli-agent.h
 *
 * Passwords on a terminal: polkit asks an authentication agent, a desktop has one, an SSH session
 * has none. There polkit's own agent for terminals (pkttyagent) is started for this process, before
 * the first call that may need it, and ended with it. It steps back where the session has an agent.
 */
#pragma once

/* Once; a no-op for root, and where standard input is no terminal. What cannot be started is simply
 * not there: polkit then says no by itself. */
void fz_cli_agent_start (void);

void fz_cli_agent_stop (void);
