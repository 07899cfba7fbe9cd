# /// script
# dependencies = [
#     "networkx==3.5",
# ]
# ///
import networkx

graph = networkx.path_graph(5)
graph.add_edge(0, 4, weight=0.5)
assert networkx.shortest_path(graph, 1, 4) == [1, 0, 4] and networkx.is_connected(graph)
ranks = networkx.degree_centrality(graph)
print(sorted(networkx.find_cycle(graph))[0], len(ranks))
