/** The scripts that teach shells to ask `tidemark __complete`. */

const BASH = `# bash completion for tidemark; load it with: source <(tidemark completion bash)
_tidemark() {
  local line word files=
  local -a found=()
  word="\${COMP_WORDS[COMP_CWORD]}"
  while IFS= read -r line; do
    if [ "$line" = ":files" ]; then files=1; else found+=("\${line%%$'\\t'*}"); fi
  done < <("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=("\${found[@]}")
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$word")
  fi
}
complete -F _tidemark tidemark
`;

const ZSH = `#compdef tidemark
# zsh completion for tidemark; put it into a folder of $fpath as _tidemark
_tidemark() {
  local line files=
  local -a found
  while IFS= read -r line; do
    if [[ "$line" == ":files" ]]; then
      files=1
    elif [[ "$line" == *$'\\t'* ]]; then
      found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    else
      found+=("\${line//:/\\\\:}")
    fi
  done < <("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#found} )) && _describe 'tidemark' found
  [[ -n "$files" ]] && _files
  return 0
}
if [[ "\${funcstack[1]}" == "_tidemark" ]]; then _tidemark "$@"; else compdef _tidemark tidemark; fi
`;

const FISH = `# fish completion for tidemark; put it into ~/.config/fish/completions/tidemark.fish
function __tidemark_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c tidemark -f -a '(__tidemark_complete)'
`;

export const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
