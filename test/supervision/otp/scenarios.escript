#!/usr/bin/env escript
%% -*- erlang -*-
%%! +S 1:1
%% Does random things to random trees of the real OTP supervisor, and writes down what
%% happened: one scenario per line, as JSON, gzipped. See README.md.
%%
%%   escript scenarios.escript FIRST_SEED SCENARIOS FILE
%%
%% A tree is [strategy, auto shutdown, intensity, children], a child [name, restart
%% type, significant, tree or null], all but the name numbered as in dray. A scenario
%% is {tree, what the first start did, steps, children at the end}; a step is [what
%% was done, its result, what happened]. In what happened + is a start, ? a start that
%% failed, ! an end by itself, - a stop, and . the end of the whole tree.
-mode(compile).
-export([init/1, start_leaf/1, start_sup/2]).

-define(PERIOD, 3600). % seconds: every restart of a scenario counts

main([First, Count, File]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    ets:new(leaves, [named_table, public]), % {Name, Pid}
    ets:new(sups, [named_table, public]),   % {Name, Pid}; the root is 0
    ets:new(fails, [named_table, public]),  % {Name, how many next starts fail}
    register(driver, self()),
    Seeds = lists:seq(list_to_integer(First), list_to_integer(First) + list_to_integer(Count) - 1),
    {ok, Out} = file:open(File, [write, compressed]),
    [ok = file:write(Out, [json(scenario(Seed)), $\n]) || Seed <- Seeds],
    file:close(Out).

scenario(Seed) ->
    rand:seed(exsss, Seed),
    [ets:delete_all_objects(T) || T <- [leaves, sups, fails]],
    put(names, 0),
    put(root, none),
    Tree = tree(2, false),
    chance(5) andalso fail_some(),
    Fails = [[N, F] || {N, F} <- lists:sort(ets:tab2list(fails))],
    Up = case supervisor:start_link(?MODULE, {0, Tree}) of
        {ok, Root} -> put(root, Root), true;
        {error, _} -> receive {'EXIT', _, _} -> false after 0 -> false end
    end,
    Began = happened(),
    Steps = steps(Up, 6 + rand:uniform(10)),
    Final = case is_up() of true -> listing(0); false -> null end,
    Last = case is_up() of
        true -> exit(get(root), shutdown), [<<"stop">>, <<"ok">>, happened()];
        false -> null
    end,
    [Tree, Fails, Began, Steps, Final, Last].

%% Random trees.

tree(Depth, Calm) ->
    Auto = rand:uniform(3) - 1,
    Intensity = case Calm of true -> 1000; false -> rand:uniform(5) - 1 end,
    [rand:uniform(3) - 1, Auto, Intensity, [child(Depth, Auto) || _ <- lists:seq(1, rand:uniform(4))]].

%% Transient supervisors are given no reason to give up: dray restarts them on purpose.
child(Depth, Auto) ->
    Name = new_name(),
    Restart = rand:uniform(3) - 1,
    Significant = Auto =/= 0 andalso Restart =/= 0 andalso chance(2),
    Inner = case Depth > 0 andalso chance(3) of
        true -> tree(Depth - 1, Restart =:= 1);
        false -> null
    end,
    [Name, Restart, bool(Significant), Inner].

new_name() -> put(names, get(names) + 1), get(names).

chance(OneIn) -> rand:uniform(OneIn) =:= 1.

bool(true) -> 1;
bool(false) -> 0.

pick(List) -> lists:nth(rand:uniform(length(List)), List).

%% What is done.

steps(false, _) -> [];
steps(_, 0) -> [];
steps(true, N) ->
    {Done, Result} = act(rand:uniform(9)),
    [[Done, Result, happened()] | steps(is_up(), N - 1)].

act(N) when N =< 4 ->
    case [L || {_, P} = L <- ets:tab2list(leaves), is_process_alive(P)] of
        [] -> {[<<"nothing">>], <<"ok">>};
        Alive ->
            {Name, Pid} = pick(lists:sort(Alive)),
            How = rand:uniform(3) - 1,
            Pid ! {die, lists:nth(How + 1, [normal, shutdown, abnormal])},
            {[<<"kill">>, Name, How], <<"ok">>}
    end;
act(5) ->
    {Name, Times} = fail_some(),
    {[<<"fail">>, Name, Times], <<"ok">>};
act(6) ->
    {Sup, Pid} = some_sup(),
    Name = some_name(Pid),
    {[<<"terminate">>, Sup, Name], result(supervisor:terminate_child(Pid, Name))};
act(7) ->
    {Sup, Pid} = some_sup(),
    Name = some_name(Pid),
    case lists:keyfind(Name, 1, supervisor:which_children(Pid)) of
        {_, P, _, _} when is_pid(P) -> % dray would restart it
            {[<<"terminate">>, Sup, Name], result(supervisor:terminate_child(Pid, Name))};
        _ ->
            {[<<"restart">>, Sup, Name], result(supervisor:restart_child(Pid, Name))}
    end;
act(8) -> % at the top only: what is added or deleted below is undone by a restart
    Name = some_name(get(root)),
    Result = result(supervisor:terminate_child(get(root), Name)),
    supervisor:delete_child(get(root), Name),
    {[<<"remove">>, 0, Name], Result};
act(9) ->
    Restart = rand:uniform(3) - 1,
    Name = case {chance(5), supervisor:which_children(get(root))} of
        {true, [_ | _] = Children} -> element(1, pick(lists:keysort(1, Children)));
        _ -> new_name()
    end,
    chance(3) andalso ets:insert(fails, {Name, 1}),
    Fails = case ets:lookup(fails, Name) of [{_, F}] -> F; [] -> 0 end,
    {[<<"add">>, 0, Name, Restart, Fails], result(supervisor:start_child(get(root), spec([Name, Restart, 0, null])))}.

fail_some() ->
    Name = rand:uniform(get(names)),
    Times = rand:uniform(4) - 1,
    ets:insert(fails, {Name, Times}),
    {Name, Times}.

some_sup() -> pick(lists:sort([S || {_, P} = S <- ets:tab2list(sups), is_process_alive(P)])).

some_name(Sup) ->
    case {chance(10), supervisor:which_children(Sup)} of
        {false, [_ | _] = Children} -> element(1, pick(lists:keysort(1, Children)));
        _ -> rand:uniform(get(names))
    end.

result(ok) -> <<"ok">>;
result({ok, _}) -> <<"ok">>;
result({error, not_found}) -> <<"not found">>;
result({error, {already_started, _}}) -> <<"duplicate">>;
result({error, already_present}) -> <<"duplicate">>;
result({error, _}) -> <<"failed">>.

is_up() -> is_pid(get(root)) andalso is_process_alive(get(root)).

%% What happens. All notes go to the driver, in order; there is one scheduler.

happened() -> iolist_to_binary(lists:join($\s, calm([], 0))).

%% Nothing happens any more when all supervisors have answered a call several times in
%% a row and nobody had anything to note in between: whatever they still had to do was
%% before one of these calls in their queues.
calm(Notes, 6) -> Notes;
calm(Notes, N) ->
    [catch supervisor:count_children(P) || {_, P} <- lists:sort(ets:tab2list(sups)), is_process_alive(P)],
    [erlang:yield() || _ <- lists:seq(1, 10)],
    case notes() of
        [] -> calm(Notes, N + 1);
        New -> calm(Notes ++ New, 0)
    end.

notes() ->
    receive
        {note, What, Name} -> [[What, integer_to_list(Name)] | notes()];
        {'EXIT', Pid, _} -> case get(root) of Pid -> ["." | notes()]; _ -> notes() end
    after 0 -> []
    end.

listing(Name) ->
    [{_, Pid}] = ets:lookup(sups, Name),
    Counts = supervisor:count_children(Pid),
    [[proplists:get_value(K, Counts) || K <- [specs, active, supervisors, workers]],
     [[N, bool(is_pid(P)), case {Type, P} of
          {supervisor, P} when is_pid(P) -> listing(N);
          _ -> null
      end] || {N, P, Type, _} <- lists:reverse(supervisor:which_children(Pid))]].

%% The supervisors and their children.

init({Name, [Strategy, Auto, Intensity, Children]}) ->
    ets:insert(sups, {Name, self()}),
    Flags = #{strategy => lists:nth(Strategy + 1, [one_for_one, rest_for_one, one_for_all]),
              auto_shutdown => lists:nth(Auto + 1, [never, any_significant, all_significant]),
              intensity => Intensity, period => ?PERIOD},
    {ok, {Flags, [spec(C) || C <- Children]}}.

spec([Name, Restart, Significant, Tree]) ->
    {Start, Type, Shutdown} = case Tree of
        null -> {{?MODULE, start_leaf, [Name]}, worker, 5000};
        _ -> {{?MODULE, start_sup, [Name, Tree]}, supervisor, infinity}
    end,
    #{id => Name, start => Start, type => Type, shutdown => Shutdown,
      restart => lists:nth(Restart + 1, [permanent, transient, temporary]), significant => Significant =:= 1}.

start_sup(Name, Tree) -> supervisor:start_link(?MODULE, {Name, Tree}).

start_leaf(Name) ->
    case ets:lookup(fails, Name) of
        [{_, N}] when N > 0 ->
            ets:insert(fails, {Name, N - 1}),
            driver ! {note, $?, Name},
            {error, failed};
        _ ->
            Parent = self(),
            Pid = spawn_link(fun() -> leaf(Parent, Name) end),
            receive {Pid, ready} -> ok end,
            ets:insert(leaves, {Name, Pid}),
            {ok, Pid}
    end.

leaf(Parent, Name) ->
    process_flag(trap_exit, true),
    driver ! {note, $+, Name},
    Parent ! {self(), ready},
    receive
        {die, Reason} ->
            driver ! {note, $!, Name},
            exit(Reason);
        {'EXIT', Parent, Reason} ->
            driver ! {note, $-, Name},
            exit(Reason)
    end.

%% As much of JSON as is needed.

json(null) -> "null";
json(N) when is_integer(N) -> integer_to_list(N);
json(B) when is_binary(B) -> [$", B, $"];
json(L) when is_list(L) -> [$[, lists:join($,, [json(X) || X <- L]), $]].
